"""Commands whose help shows options in groups and ends with examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


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
                groups.setdefault(getattr(each, "group", "Options"), []).append(record)
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
