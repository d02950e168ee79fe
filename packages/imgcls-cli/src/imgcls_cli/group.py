"""A group whose commands are imported when they run, so that `--help` waits for none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from imgcls_cli.helped import HelpedGroup


def load_command(place: str) -> click.Command:
    """Imports the command at `package.module:attribute`."""
    module, attribute = place.split(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


class LazyGroup(HelpedGroup):
    """Lists its commands without importing them, in the order of the table; a mistyped one is told the nearest.

    Args:
        lazy: name → (place of the command as `package.module:attribute`, what `--help` says of it).
        options: those of `HelpedGroup`.
    """

    def __init__(self, *, lazy: Mapping[str, tuple[str, str]], **options: Any) -> None:  # noqa: ANN401 - click's own
        # Names alone: click asks them for what a mistyped command may have meant.
        options["commands"] = {name: click.Command(name) for name in lazy} | options.get("commands", {})
        super().__init__(**options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Gives the names in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        return load_command(self._lazy[cmd_name][0]) if cmd_name in self._lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._lazy.items()])
