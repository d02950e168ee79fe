"""A release is a tag `NAME-vX.Y.Z`; it must agree with the member's version and with the top of its changelog."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from imgcls_deploy.errors import DeployError

_TAG = re.compile(r"(?P<name>imgcls-[a-z]+)-v(?P<version>\d+\.\d+\.\d+)")
_HEADING = re.compile(r"^## (?P<version>\S+)(?P<rest>.*)$", re.MULTILINE)


class ReleaseError(DeployError):
    """A tag that cannot be released; the message says why and what to do."""


@dataclass(frozen=True)
class Release:
    """One member in one version.

    Attributes:
        name: the distribution.
        version: without `v`.
        folder: relative to the repository's root.
        notes: the changelog's section, without its heading.
    """

    name: str
    version: str
    folder: str
    notes: str


def find_release(tag: str, root: Path) -> Release:
    """Finds what a tag releases.

    Raises:
        ReleaseError: no such member, another version in its pyproject.toml, or no finished section in its changelog.
    """
    if (found := _TAG.fullmatch(tag)) is None:
        raise ReleaseError(f"The tag is {tag!r}; a release has one like 'imgcls-core-v0.2.0'.")
    name, version = found["name"], found["version"]
    members = _members(root)
    if name not in members:
        known = ", ".join(sorted(members)) or "no members here: go to the root of the repository"
        raise ReleaseError(f"The tag {tag!r} names {name!r}; there are {known}.")
    folder, written = members[name]
    if written != version:
        raise ReleaseError(
            f"The tag says {version}, {folder}/pyproject.toml says {written}; tag the commit that agrees."
        )
    changelog = (root / folder / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(changelog))
    if not headings or headings[0]["version"] != version or "unreleased" in headings[0]["rest"]:
        top = headings[0][0] if headings else "nothing"
        raise ReleaseError(f"The top of {folder}/CHANGELOG.md is {top!r}; it must be '## {version}'.")
    end = headings[1].start() if len(headings) > 1 else len(changelog)
    return Release(name, version, folder, changelog[headings[0].end() : end].strip())


def _members(root: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for path in [*root.glob("packages/*/pyproject.toml"), *root.glob("apps/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        found[project["name"]] = (path.parent.relative_to(root).as_posix(), project["version"])
    return found
