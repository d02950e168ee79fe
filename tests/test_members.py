"""What every member has: licence, authors, a place where its changes are told, and names of its own."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMBERS = sorted([*(ROOT / "packages").glob("*/pyproject.toml"), *(ROOT / "apps").glob("*/pyproject.toml")])
SOURCES = sorted({*(ROOT / "packages").glob("*/src/**/*.py"), *(ROOT / "apps").glob("*/src/**/*.py")})
MAX_MODULES = 12


def project_of(pyproject: Path) -> dict[str, object]:
    return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("pyproject", MEMBERS, ids=lambda path: path.parent.name)
def test_a_member_says_its_licence_its_authors_and_what_it_is_about(pyproject: Path) -> None:
    told = metadata(str(project_of(pyproject)["name"]))
    assert told["License-Expression"] == "Apache-2.0"
    assert "LICENSE" in told.get_all("License-File", [])
    assert told["Author"] == "imgcls contributors"
    assert told["Summary"]
    assert told["Keywords"]
    assert "Typing :: Typed" in told.get_all("Classifier", [])


@pytest.mark.parametrize("pyproject", MEMBERS, ids=lambda path: path.parent.name)
def test_a_member_carries_the_whole_licence_and_says_that_it_is_typed(pyproject: Path) -> None:
    """A wheel holds no file from above its member, so that each has a copy."""
    folder = pyproject.parent
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert list(folder.glob("src/*/py.typed"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_a_reader_is_told_of_every_member(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    folders = [path.parent.relative_to(ROOT).as_posix() for path in MEMBERS]
    assert [folder for folder in folders if f"`{folder}`" not in text] == []


def test_whoever_carries_a_model_carries_its_terms() -> None:
    carriers = {path.parents[4] for path in ROOT.glob("packages/*/src/*/data/*/*.safetensors")}
    carriers |= {path.parents[2] for path in ROOT.glob("packages/*/src/*/*.onnx")}
    assert len(carriers) == 2
    for folder in carriers:
        assert "NOTICE" in tomllib.loads((folder / "pyproject.toml").read_text())["project"]["license-files"]
        assert (folder / "NOTICE").read_bytes() == (ROOT / "NOTICE").read_bytes()


@pytest.mark.parametrize("pyproject", MEMBERS, ids=lambda path: path.parent.name)
def test_a_member_that_is_published_tells_its_changes(pyproject: Path) -> None:
    is_private = "Private :: Do Not Upload" in str(project_of(pyproject).get("classifiers"))
    assert is_private or (pyproject.parent / "CHANGELOG.md").read_text().startswith("# Changelog")


@pytest.mark.parametrize("pyproject", MEMBERS, ids=lambda path: path.parent.name)
def test_a_member_bounds_the_members_that_it_stands_on(pyproject: Path) -> None:
    """Each has its own version; one that is released later must not break one that is installed."""
    requirements = [
        text
        for text in metadata(str(project_of(pyproject)["name"])).get_all("Requires-Dist", [])
        if text.startswith("imgcls")
    ]
    assert [text for text in requirements if ">=" not in text and "extra ==" not in text] == []


def test_an_extra_that_is_named_somewhere_exists() -> None:
    """`pip install 'member[extra]'` only warns of one that there is not, and installs nothing."""
    named = re.compile(r"(imgcls-[a-z0-9]+)\[([a-z0-9,]+)\]")
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/*/*.md"), *SOURCES]
    asked = {found for path in texts for found in named.findall(path.read_text(encoding="utf-8"))}
    members = {str(project_of(path)["name"]): project_of(path) for path in MEMBERS}
    missing = {
        f"{name}[{extra}]"
        for name, extras in asked
        for extra in extras.split(",")
        if name in members and extra not in members[name].get("optional-dependencies", {})
    }
    assert ("imgcls-serve", "cpu,demo") in asked
    assert missing == set()


def test_a_public_class_name_is_defined_once() -> None:
    """A word that means two things is looked up in the wrong place."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_thing_has_the_name_that_the_glossary_gives_it() -> None:
    """Words that stood for an image, a user, progress, a hint … before each had one name."""
    replaced = re.compile(
        r"\bpersons?\b|narrator|way_on|carry_out|stranger_|open_up|_thaw|judging|tally", re.IGNORECASE
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if replaced.search(line)
    ]
    assert found == []


def test_no_folder_holds_more_modules_than_a_reader_can_survey() -> None:
    counts: defaultdict[str, int] = defaultdict(int)
    for path in SOURCES:
        counts[path.parent.relative_to(ROOT).as_posix()] += path.name != "__init__.py"
    assert {folder: count for folder, count in counts.items() if count > MAX_MODULES} == {}


def test_the_architecture_names_every_room() -> None:
    told = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in SOURCES if path.name == "__init__.py" and path.parents[1].name != "src"}
    assert {room for room in rooms if f"`{room}/`" not in told} == set()


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
