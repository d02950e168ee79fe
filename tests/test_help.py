"""Every command of every member says what it does as the others do: in 80 columns, with examples, no option unsaid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_tree import COMMANDS


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_the_terminal_and_ends_with_an_example(name: str, columns: int) -> None:
    command = COMMANDS[name]
    context = command.make_context(name, [], resilient_parsing=True)
    context.terminal_width = columns
    said, _, examples = command.get_help(context).partition("Examples:")
    assert f"  {name.split()[0]}" in examples
    assert [line for line in said.splitlines() if len(line) > columns] == []
    assert columns < 80 or [line for line in examples.splitlines() if len(line) > columns] == []


# Each takes longer to import than all else that a help text needs.
HEAVY = {
    *("asyncio", "duckdb", "fastapi", "fsspec", "httpx", "jinja2", "msgspec", "numpy", "onnx", "onnxruntime", "PIL"),
    *("pyarrow", "pydantic", "rich", "sqlite3", "ssl", "torch", "torchvision", "transformers", "uvicorn"),
}


def test_no_help_waits_for_what_its_command_does() -> None:
    code = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; import test_help; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert sorted(HEAVY & {*done.stdout.split()}) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_whole_sentences_and_numbers_in_users_words(name: str) -> None:
    command = COMMANDS[name]
    said = command.get_help(command.make_context(name, [], resilient_parsing=True))
    assert not re.search(r"[a-z]\.\.\.$|INTEGER|FLOAT", said, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_without_a_text(name: str) -> None:
    options = [one for one in COMMANDS[name].params if isinstance(one, click.Option) and not one.hidden]
    assert [one.name for one in options if not one.help] == []


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if isinstance(one, click.Group)])
def test_a_mistyped_command_is_told_the_nearest(name: str) -> None:
    group = COMMANDS[name]
    assert isinstance(group, click.Group)
    context = click.Context(group, info_name=name)
    first = group.list_commands(context)[0]
    with pytest.raises(click.UsageError) as refused:
        group.resolve_command(context, [f"{first}x"])
    assert first in (getattr(refused.value, "possibilities", None) or refused.value.format_message())


@pytest.mark.parametrize(
    ("line", "meant"), [("imgcls-convert ver", "verify"), ("imgcls-convert net.pth --prec", "--precision")]
)
def test_a_shell_completes_subcommands_and_options(line: str, meant: str) -> None:
    asked = {"_IMGCLS_CONVERT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-m", "imgcls_convert"]
    said = subprocess.run(command, env=os.environ | asked, capture_output=True, check=False, text=True).stdout
    assert said == f"plain,{meant}\n"
