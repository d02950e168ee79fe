"""Which files `cerebrium deploy` would send: the globs of `include` and `exclude` as the platform's command reads them.

The command zips the current folder. Its globs have three traps: `*` and `./*` mean everything below, `folder/` means
everything in it, and `.*` means hidden names at the top alone, so that `.git/config` is not excluded by it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

_TOKEN = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[[^\]]+\]|\{[^}]+\}|.")
_MEANING = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_UNWANTED = re.compile(
    r"(^|/)(\.git|\.venv|venv|node_modules|__pycache__|\.pytest_cache|\.ruff_cache|\.hypothesis)/"
    r"|(^|/)(\.env(\..+)?|\.netrc|\.pypirc|id_(rsa|ed25519)|credentials(\.json)?)$|\.(pem|key|p12|pfx|kubeconfig)$"
)


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether a path, relative and with `/`, is named by one of the globs."""
    return any(_expression(glob).fullmatch(path) for glob in globs)


def files_to_upload(root: Path, *, include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Lists the files that are sent, relative to `root` and sorted."""
    found: list[str] = []
    for folder, names, files in os.walk(root):
        base = PurePosixPath(Path(folder).relative_to(root).as_posix())
        names[:] = [name for name in names if _may_hold_a_match(str(base / name), include)]
        found += [path for path in (str(base / name) for name in files) if matches(path, include)]
    return sorted(path for path in found if path == "cerebrium.toml" or not matches(path, exclude))


def unwanted(paths: Iterable[str]) -> list[str]:
    """Those that must never leave the machine: secrets, history, environments, caches."""
    return [path for path in paths if _UNWANTED.search(path)]


def _expression(glob: str) -> re.Pattern[str]:
    glob = glob.removeprefix("./")
    glob = "**/*" if glob == "*" else f"{glob}**" if glob.endswith("/") else glob
    return re.compile("".join(_meaning(token) for token in _TOKEN.findall(glob)))


def _meaning(token: str) -> str:
    if token in _MEANING:
        return _MEANING[token]
    if token[0] == "[" and len(token) > 1:
        return token.replace("[!", "[^")
    if token[0] == "{" and len(token) > 1:
        return "(?:" + "|".join(re.escape(choice) for choice in token[1:-1].split(",")) + ")"
    return re.escape(token)


def _may_hold_a_match(folder: str, globs: Iterable[str]) -> bool:
    """Whether to look into a folder; only saves the walk through large ones that no glob can name."""
    for glob in globs:
        fixed = re.split(r"[*?\[{]", glob.removeprefix("./"), maxsplit=1)[0]
        if f"{folder}/".startswith(fixed) or fixed.startswith(f"{folder}/"):
            return True
    return False
