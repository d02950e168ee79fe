"""Workflows: what no linter holds, and the scripts they run, against a `gh` that notes what it is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPTS = ROOT / ".github/scripts"
BASH = shutil.which("bash") or "bash"
SHELLCHECK = str(Path(sys.executable).with_name("shellcheck"))


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"].items()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_states_its_rights_and_its_time(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {}
    for name, job in jobs(path):
        assert "permissions" in job, name
        assert "timeout-minutes" in job or "uses" in job, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_and_keeps_no_credentials(path):
    for _, job in jobs(path):
        for step in job.get("steps", []):
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
                if step["uses"].startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_that_uses_uv_has_the_pinned_one(path):
    for name, job in jobs(path):
        commands = [step.get("run", "") for step in job.get("steps", [])]
        first = next(
            (at for at, shell in enumerate(commands) if re.search(r"^ *uv |\.ci/run", shell, re.MULTILINE)), None
        )
        assert first is None or ".ci/install-uv" in commands[:first], name
        assert not any("install uv" in shell for shell in commands), name


def test_every_uv_is_the_same_and_every_file_of_it_is_known():
    pinned = (ROOT / ".ci/uv.txt").read_text()
    version = re.search(r"^uv==(\S+)", pinned, re.MULTILINE)
    assert version is not None
    assert re.search(r"^ +--hash=sha256:[0-9a-f]{64}", pinned, re.MULTILINE)
    assert f" uv=={version[1]}\n" in (ROOT / "docker/Dockerfile").read_text()


def test_all_green_waits_for_every_job_that_tests():
    found = dict(jobs(ROOT / ".github/workflows/ci.yml"))
    tests = [name for name in found if name not in {"all-green", "deploy"}]
    assert found["all-green"]["needs"] == tests
    assert found["all-green"]["steps"][0]["run"].count("success") == len(tests)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_shell_of_every_step_is_clean_and_takes_values_from_the_environment_alone(path):
    for _, job in jobs(path):
        for step in job.get("steps", []):
            if (shell := step.get("run")) is not None:
                assert "${{" not in shell
                as_run = f"set -eo pipefail\n{shell}"
                checked = subprocess.run(
                    [SHELLCHECK, "--shell=bash", "-"], input=as_run, capture_output=True, text=True, check=False
                )
                assert checked.returncode == 0, checked.stdout


@pytest.fixture
def gh(tmp_path, monkeypatch):
    """A `gh` that notes its arguments and answers from files; returns the notes' reader."""
    (tmp_path / "gh").write_text(
        f'#!/usr/bin/env bash\necho "$*" >>{tmp_path}/asked\n'
        f'case "$*" in\n  *"/files --jq"*) cat {tmp_path}/files ;;\n  "api repos/"*) cat {tmp_path}/facts ;;\n'
        f'  "issue list"*) cat {tmp_path}/issues ;;\nesac\n'
    )
    (tmp_path / "gh").chmod(0o755)
    for name in ("asked", "files", "facts", "issues"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run(name, *arguments, **environment):
    return subprocess.run(
        [BASH, str(SCRIPTS / name), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def merged(gh, facts, *, files=""):
    """Whether the pull request 7 at the commit abc is merged, given what the API says of it."""
    (gh / "facts").write_text(facts)
    (gh / "files").write_text(files)
    result = run("auto_merge.sh", GH_REPO="we/imgcls", PULL_REQUEST="7", HEAD_SHA="abc")
    assert result.returncode == 0, result.stderr
    asked = (gh / "asked").read_text()
    assert ("pr merge 7 --squash --delete-branch --match-head-commit abc" in asked) == ("Merged." in result.stdout)
    assert ("workflow run ci.yml --ref main" in asked) == ("Merged." in result.stdout)
    return "Merged." in result.stdout


def test_a_maintainers_own_branch_is_merged(gh):
    assert merged(gh, "ann MEMBER open false we/imgcls abc main", files=".github/workflows/ci.yml")


def test_a_dependency_update_is_merged(gh):
    assert merged(gh, "dependabot[bot] CONTRIBUTOR open false we/imgcls abc main", files="uv.lock\npyproject.toml\n")


@pytest.mark.parametrize("held", [".github/workflows/ci.yml", "docker/Dockerfile", ".ci/run"])
def test_an_update_of_what_builds_and_deploys_waits_for_a_person(gh, held):
    facts = "dependabot[bot] CONTRIBUTOR open false we/imgcls abc main"
    assert not merged(gh, facts, files=f"uv.lock\n{held}\n")


@pytest.mark.parametrize(
    "facts",
    [
        "eve NONE open false eve/imgcls abc main",
        "ann MEMBER open false ann/imgcls abc main",
        "eve CONTRIBUTOR open false we/imgcls abc main",
        "ann MEMBER open true we/imgcls abc main",
        "ann MEMBER closed false we/imgcls abc main",
        "ann MEMBER open false we/imgcls def main",
        "ann MEMBER open false we/imgcls abc release",
    ],
    ids=["fork", "own fork", "no write access", "draft", "closed", "changed since", "another base"],
)
def test_everything_else_waits_for_a_person(gh, facts):
    assert not merged(gh, facts)


def test_the_first_failure_opens_an_issue_and_fails_the_run(gh):
    result = run("report_monitor.sh", "1", RUN_URL="https://example.org/run/1")
    asked = (gh / "asked").read_text()
    assert result.returncode == 1
    assert "issue create --label monitor" in asked
    assert "https://example.org/run/1" in asked


def test_a_further_failure_adds_to_the_open_issue(gh):
    (gh / "issues").write_text("12\n")
    result = run("report_monitor.sh", "3", RUN_URL="https://example.org/run/2")
    asked = (gh / "asked").read_text()
    assert result.returncode == 1
    assert "issue comment 12" in asked
    assert "issue create" not in asked


def test_recovery_closes_the_issue(gh):
    (gh / "issues").write_text("12\n")
    assert run("report_monitor.sh", "0", RUN_URL="https://example.org/run/3").returncode == 0
    assert "issue close 12" in (gh / "asked").read_text()


def test_a_good_day_asks_for_nothing(gh):
    assert run("report_monitor.sh", "0", RUN_URL="https://example.org/run/4").returncode == 0
    assert (gh / "asked").read_text().count("\n") == 1


def test_every_member_is_tested_alone_on_every_python():
    """The list is written out, so that a name in a failing job says which member it is."""
    tested = dict(jobs(ROOT / ".github/workflows/ci.yml"))["test"]["strategy"]["matrix"]["member"]
    members = [*(ROOT / "packages").glob("*/pyproject.toml"), *(ROOT / "apps").glob("*/pyproject.toml")]
    assert {member["path"] for member in tested} == {path.parent.relative_to(ROOT).as_posix() for path in members}
