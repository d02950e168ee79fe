"""Where settings come from, seen through `config show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Run

    Show = Callable[..., Any]

CONFIG = """
default_profile = "staging"
[profiles.staging]
url = "http://staging:8192"
api_key = "key-of-staging"
timeout_s = 7
[profiles.production]
project = "12345678"
app = "classifier"
"""


@pytest.fixture
def show(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Show the settings with a config file of two profiles."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")

    def start(*arguments: object) -> Any:
        monkeypatch.setenv("IMGCLS_CONFIG", str(path))
        ended = run("config", "show", "--json", *arguments)
        assert ended.exit_code == 0, ended.stderr
        return json.loads(ended.stdout)

    return start


def test_a_flag_comes_before_the_environment_and_that_before_the_profile(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    def url() -> dict[str, str]:
        return show()["settings"]["url"]

    assert url() == {"value": "http://staging:8192", "from": "profile 'staging'"}
    monkeypatch.setenv("IMGCLS_URL", "http://environment")
    assert url() == {"value": "http://environment", "from": "IMGCLS_URL"}
    flagged = show("--url", "http://flag")["settings"]["url"]
    assert flagged == {"value": "http://flag", "from": "--url"}


def test_what_nobody_set_has_its_default(show: Show) -> None:
    shown = show()["settings"]
    assert shown["retries"] == {"value": "3", "from": "default"}
    assert shown["timeout_s"] == {"value": "7", "from": "profile 'staging'"}
    assert shown["app"] == {"value": "not set", "from": "default"}


def test_keys_are_masked(show: Show, run: Run) -> None:
    assert "key-of-staging" not in json.dumps(show())
    assert show()["settings"]["api_key"]["value"] == "••••"


def test_a_profile_is_chosen_by_flag_and_by_environment(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://api.cerebrium.ai/v4/p-12345678/classifier"
    assert show("--profile", "production")["service"] == address
    monkeypatch.setenv("IMGCLS_PROFILE", "production")
    assert show()["service"] == address


def test_the_nearer_of_address_and_project_counts(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show("--profile", "production", "--url", "http://flag")["service"] == "http://flag"
    monkeypatch.setenv("IMGCLS_URL", "http://environment")
    named = show("--project", "p-9", "--app", "a")["service"]
    assert named == "https://api.cerebrium.ai/v4/p-9/a"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "http://a", "--project", "p-1", "--app", "b"), "leave one out"),
        (("--project", "p-1"), "belong together"),
        (("--project", "p 1", "--app", "b"), "letters, digits and dashes"),
        (("--timeout", "soon"), "'soon' is no length of time; write it as 60s, 5m, 1.5h or 7d"),
        (("--timeout-s", "-1"), "'-1' is no length of time"),
        (("--retries", "3s"), "'3s' is not a valid integer"),
        (("--profile", "other"), "There is no profile 'other'"),
    ],
)
def test_settings_that_cannot_be_are_usage_errors(run: Run, arguments: tuple[str, ...], said: str) -> None:
    ended = run("config", "show", *arguments)
    assert ended.exit_code == 2
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not toml", "cannot be used"),
        ('default_profile = "a"\n[profiles.a]\nurll = "x"', "sets 'urll'; it can set: url"),
        ("profiles = 3", "Expected `object`, got `int` - at `$.profiles`"),
        ('default_profile = "gone"', "There is no profile 'gone'"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("IMGCLS_CONFIG", str(path))
    ended = run("config", "show")
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert str(path) in ended.stderr


def test_without_a_config_file_everything_works(run: Run) -> None:
    ended = run("config", "show")
    assert ended.exit_code == 0
    assert "service: http://127.0.0.1:8192" in ended.stdout
    assert "(not there)" in ended.stdout
