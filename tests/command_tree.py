"""Every command of every member by its name, and whether a command line is one that it understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

import click

PROGRAMS = {
    "imgcls-batch": "imgcls_batch.cli:PROGRAM",
    "imgcls-client": "imgcls_client.cli:program",
    "imgcls-convert": "imgcls_convert.cli:PROGRAM",
    "imgcls-deploy": "imgcls_deploy.cli:PROGRAM",
    "imgcls-serve": "imgcls_serve.cli:main",
    "imgcls-train": "imgcls_train.cli:PROGRAM",
}


def _commands() -> Iterator[tuple[str, click.Command]]:
    for name, place in PROGRAMS.items():
        module, attribute = place.split(":")
        found = getattr(import_module(module), attribute)
        yield from _with_subcommands(name, getattr(found, "command", found))
        for subname, subplace in getattr(found, "subcommands", {}).items():
            module, attribute = subplace.split(":")
            yield f"{name} {subname}", getattr(import_module(module), attribute)


def _with_subcommands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            assert subcommand is not None
            yield from _with_subcommands(f"{name} {subname}", subcommand)


COMMANDS = dict(_commands())


def parse(words: Sequence[str]) -> None:
    """Takes a command line apart without running it.

    Raises:
        click.UsageError: a subcommand or an option does not exist, an argument is missing or too many.
    """
    name, rest = words[0], list(words[1:])
    while rest and f"{name} {rest[0]}" in COMMANDS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    command = COMMANDS[name]
    context = click.Context(command, info_name=name)
    given, left, _ = command.make_parser(context).parse_args(rest)
    if left and isinstance(command, click.Group) and not command.invoke_without_command:
        raise click.UsageError(f"{name} has no command {left[0]}")
    if left:
        raise click.UsageError(f"{name}: {left[0]} is too much")
    for one in command.params:
        if one.required and not isinstance(given.get(str(one.name)), str | tuple | list):
            raise click.UsageError(f"{name}: {one.name} is missing")
