"""What the documentation names exists: links, paths, commands with their options, routes, codes, settings."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from imgcls_contract import PROBLEMS
from imgcls_serve.settings import Settings
from imgcls_testing.commands import runner_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    # What is mistyped in mistakes.md is no command; a test of its own makes each.
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "mistakes.md"),
    *sorted([*ROOT.glob("packages/*/README.md"), *ROOT.glob("apps/*/README.md")]),
]
COMMAND = re.compile(
    r"(?<!-t )(?<!package )(?<![/\w])(imgcls-(?:convert|serve|client|train|deploy))(?!/)"
    r"((?:[ \t]+[a-z]+\b)?)([^`\n|]*)"
)
# What a command in a text names without meaning a file of the repository.
STANDS_FOR_A_FILE_OF_THE_USER = re.compile(r"^(models|photos)/|tench|NAME|mine\.onnx")


def text_of(page):
    return page.read_text(encoding="utf-8").replace("\\\n", " ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            assert (page.parent / path).exists(), target
            assert not anchor, f"{target}: link to the page, headings move"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_exists(page):
    folders = ("packages/", "apps/", "deploy/", "docker/", "docs/", "tests/", ".github/", ".ci/")
    for code in re.findall(r"`([^`\n]+)`", text_of(page)):
        for word in code.split():
            if word.startswith(folders) and not STANDS_FOR_A_FILE_OF_THE_USER.search(word):
                assert (ROOT / word).exists() or (page.parent / word).exists(), word


@pytest.fixture(scope="module")
def help_of():
    known: dict[tuple[str, ...], str] = {}

    def ask(*command: str) -> str:
        if command not in known:
            done = runner_of(import_module(f"{command[0]}.cli").main)(*command[1:], "--help")
            assert done.code == 0, f"{' '.join(command)}: {done.err}"
            known[command] = done.out
        return known[command]

    return ask


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page, help_of):
    for program, word, rest in COMMAND.findall(text_of(page)):
        module = program.replace("-", "_")
        command = (module,)
        if module in {"imgcls_client", "imgcls_train", "imgcls_deploy"} and word.strip():
            command = (module, word.strip())
        if module == "imgcls_convert" and word.strip() in {"inspect", "verify", "diff", "sign"}:
            command = (module, word.strip())
        if command == ("imgcls_client", "monitor") and rest.strip().startswith("report"):
            command = (*command, "report")
        options = re.findall(r"(?<!\S)(--[a-z][a-z0-9-]+)", rest.split("&&")[0].split("#")[0])
        known = help_of(*command) if options or len(command) > 1 else ""
        for option in options:
            if option not in {"--help", "--version"}:
                assert re.search(rf"{option}\b", known), f"{' '.join(command)} has no {option}"


def test_the_http_page_has_every_route_and_no_other():
    described = json.loads((ROOT / "apps/serve/openapi.json").read_text())["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    page = text_of(ROOT / "docs/http.md")
    listed = set(re.findall(r"`((?:GET|POST) /[^`]*)`", page))
    assert listed - {"GET /", "GET /docs"} == routes


def test_the_http_page_has_every_code_with_its_status():
    page = text_of(ROOT / "docs/http.md")
    for problem in PROBLEMS.values():
        assert f"| {problem.status} | `{problem.code}` |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_exists(page):
    known = {f"IMGCLS_{name.upper()}" for name in Settings.model_fields} | {
        "IMGCLS_TEST_DATA",
        "IMGCLS_CACHE_DIR",
        "IMGCLS_DEBUG",
    }
    client = (ROOT / "packages/imgcls-client/src/imgcls_client/settings.py").read_text()
    known |= {f"IMGCLS_{name.upper()}" for name in re.findall(r'Setting\(\s*"(\w+)"', client)}
    assert set(re.findall(r"\bIMGCLS_[A-Z0-9_]+\b", text_of(page))) - {"IMGCLS_"} <= known


def test_every_page_can_be_found_from_the_first_one():
    linked = set(re.findall(r"\]\((\w[^)#]*\.md)\)", text_of(ROOT / "docs/README.md")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_leads_to_the_glossary(page):
    assert page.name in {"SECURITY.md", "glossary.md"} or "glossary.md)" in text_of(page)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160
