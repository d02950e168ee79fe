"""`imgcls-deploy releases TAG` lets only a tag pass that agrees with the member."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Deploy


@pytest.fixture
def core(copy: Path) -> Path:
    """imgcls-core as it is when 0.2.0 is to be released."""
    folder = copy / "packages/imgcls-core"
    text = (folder / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(text.replace('version = "0.1.0"', 'version = "0.2.0"'))
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0\n\n- Reads AVIF.\n\n## 0.1.0\n\n- First version.\n")
    return folder


def test_a_tag_that_agrees_names_the_member_its_folder_and_its_notes(deploy: Deploy, core: Path) -> None:
    result = deploy("releases", "imgcls-core-v0.2.0")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "name": "imgcls-core", "version": "0.2.0", "folder": "packages/imgcls-core", "notes": "- Reads AVIF.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("v0.2.0", "one like 'imgcls-core-v0.2.0'"),
        ("imgcls-core-v0.2", "one like"),
        ("imgcls-train-v0.2.0", "there are imgcls-contract, imgcls-core, imgcls-serve"),
        ("imgcls-core-v0.3.0", "packages/imgcls-core/pyproject.toml says 0.2.0"),
    ],
)
def test_a_tag_that_does_not_agree_is_refused(deploy: Deploy, core: Path, tag: str, sentence: str) -> None:
    result = deploy("releases", tag)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def test_a_changelog_that_still_says_unreleased_is_refused(deploy: Deploy, core: Path) -> None:
    path = core / "CHANGELOG.md"
    path.write_text(path.read_text().replace("## 0.2.0", "## 0.2.0 (unreleased)"))
    result = deploy("releases", "imgcls-core-v0.2.0")
    assert result.exit_code == 1
    assert "must be '## 0.2.0'" in result.stderr
