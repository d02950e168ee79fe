"""Fails when a member's public API differs from an earlier revision and its CHANGELOG.md does not.

    uv run python .ci/public_api.py BASE

The public API of a member is what its package names in `__all__`, with signatures, bases, fields and methods; of the
service, its OpenAPI document. A member without either has commands alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
GIT = shutil.which("git") or "git"
DESCRIBED = "openapi.json"


def main(base: str) -> int:
    """Prints each change of a member whose changelog is silent; 1 when there is one."""
    silent = False
    for pyproject in sorted([*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("apps/*/pyproject.toml")]):
        folder = pyproject.parent.relative_to(ROOT)
        changes = sorted(changes_of(folder, base))
        if changes and not differs(folder / "CHANGELOG.md", base):
            silent = True
            print(f"{folder}: the public API differs from {base}, {folder}/CHANGELOG.md does not say so:")
            print("\n".join(f"  {change}" for change in changes))
    return int(silent)


def changes_of(folder: Path, base: str) -> Iterator[str]:
    """Lines that came (+) and went (-); none of a member that was not there."""
    sources = next((ROOT / folder / "src").iterdir()).relative_to(ROOT)
    if git("cat-file", "-e", f"{base}:{sources.as_posix()}") == 0:
        before = griffe.load_git(sources.name, ref=base, repo=ROOT, search_paths=[sources.parent])
        now = griffe.load(sources.name, search_paths=[ROOT / sources.parent])
        yield from (f"- {line}" for line in surface(before) - surface(now))
        yield from (f"+ {line}" for line in surface(now) - surface(before))
    if (ROOT / folder / DESCRIBED).is_file() and differs(folder / DESCRIBED, base):
        yield f"{DESCRIBED} differs"


def surface(package: griffe.Object | griffe.Alias) -> set[str]:
    """What whoever imports the package can rely on, one line each."""
    exported = [str(name) for name in package.exports or [] if not str(name).startswith("_")]
    return {line for name in exported for line in described(name, package[name])}


def described(path: str, thing: griffe.Object | griffe.Alias) -> Iterator[str]:
    """A class with its own public members, a function with its signature, or a name with its type."""
    try:
        target = thing.final_target if isinstance(thing, griffe.Alias) else thing
    except griffe.AliasResolutionError:
        yield f"{path} of another package, or nothing: {thing.target_path}"
        return
    if isinstance(target, griffe.Class):
        yield f"class {path}({', '.join(map(str, target.bases))})"
        for name, member in target.members.items():
            if not name.startswith("_") or name == "__init__":
                yield from described(f"{path}.{name}", member)
    elif isinstance(target, griffe.Function):
        yield f"def {target.signature(name=path)}"
    elif isinstance(target, griffe.Attribute):
        yield f"{path}: {target.annotation}"


def differs(path: Path, base: str) -> bool:
    """Whether a file is not what it was."""
    return git("diff", "--quiet", base, "--", path.as_posix()) != 0


def git(*arguments: str) -> int:
    """Runs git in the repository and gives its exit code."""
    return subprocess.run([GIT, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
