"""Commands whose help shows options in groups and ends with examples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

# Numbers as users call them; a length of time is a DURATION, which says its unit.
_NUMBERS: Final = {" INTEGER": " N", " INTEGER RANGE": " N", " FLOAT": " NUMBER", " FLOAT RANGE": " NUMBER"}
_NUMBER: Final = re.compile(r" (?:INTEGER|FLOAT)(?: RANGE)?$")


class HelpedOption(click.Option):
    """An option that `--help` lists under a heading of its own.

    Args:
        group: the heading; groups stand in the order of their first option.
        options: those of `click.Option`.
    """

    def __init__(self, *names: Any, group: str, **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*names, **options)
        self.group = group


class HelpedCommand(click.Command):
    """A command whose help ends with examples that can be typed.

    Args:
        examples: command lines, each with a comment where it needs one.
        options: those of `click.Command`.
    """

    def __init__(self, *names: Any, examples: Sequence[str] = (), **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*names, **options)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the options, those of a group under its heading."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None and isinstance(each, click.Option):
                named = _NUMBER.sub(lambda kind: _NUMBERS[kind[0]], record[0])
                groups.setdefault(getattr(each, "group", "Options"), []).append((named, record[1]))
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':{formatter.current_indent}}{each}\n" for each in self.examples))


class HelpedGroup(HelpedCommand, click.Group):
    """A group of commands whose help is that of a `HelpedCommand`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands, each with the whole sentence that says what it does."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(1000)) for name, one in found if one is not None])
