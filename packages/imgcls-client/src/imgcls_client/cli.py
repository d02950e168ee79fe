"""The command tree. Imports nothing that a command needs, so that `--help` answers at once."""

import sys
from importlib import import_module
from typing import cast

import click

from imgcls_client.errors import ImgclsClientError

__all__ = ["main"]

# name → (where it lives, what `--help` says of it)
COMMANDS: dict[str, tuple[str, str]] = {
    "predict": ("imgcls_client.commands.predict:predict", "Classify pictures: files, folders, patterns, addresses."),
    "ready": ("imgcls_client.commands.ready:ready", "Ask whether a deployment takes work, or wait until it does."),
    "suite": ("imgcls_client.commands.suite:suite", "Test a deployment; exit 1 when a test fails."),
    "bench": ("imgcls_client.commands.bench:bench", "Put load on a deployment and measure every answer."),
    "monitor": ("imgcls_client.commands.monitor:monitor", "Watch a deployment, alert, and report."),
    "config": ("imgcls_client.commands.config:config", "Show the settings and where each came from."),
}
BUG_EXIT_CODE = 70
INTERRUPTED_EXIT_CODE = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="imgcls-client", prog_name="imgcls-client")
def root() -> None:
    """Call and test an imgcls deployment.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 the answer was no, 2 usage,
    3 cannot reach the service, 4 the service refused, 70 a bug of ours.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code; every failure becomes one sentence on stderr."""
    try:
        ended_with: object = root.main(args=arguments, prog_name="imgcls-client", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("imgcls-client: interrupted.", err=True)
        return INTERRUPTED_EXIT_CODE
    except ImgclsClientError as error:
        click.echo(f"imgcls-client: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output (`| head`) has seen enough; stdout is given away so that closing it cannot fail.
        sys.stdout = None
        return 0
    except Exception as error:  # noqa: BLE001 - the one broad handler of this process: a user never meets a traceback
        click.echo(f"imgcls-client: a bug of ours: {describe_bug(error)}. Please report it with this line.", err=True)
        return BUG_EXIT_CODE
    return ended_with if isinstance(ended_with, int) else 0


def describe_bug(error: Exception) -> str:
    """Say what broke and where, in one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}: {error}{place}"
