"""`imgcls-client suite`."""

from pathlib import Path

import click

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of
from imgcls_client.retry_policy import NO_RETRY
from imgcls_client.suite.deployment import Deployment
from imgcls_client.suite.labelled_cases import read_labelled_cases
from imgcls_client.suite.runner import run_checks
from imgcls_client.suite.selection import choose
from imgcls_client.suite.table import list_checks, show_while_running

__all__ = ["suite"]


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Print the tests and what each proves, and run none.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this group or test alone; can be repeated.")
@click.option("--skip", multiple=True, metavar="NAME", help="Leave this group or test out; can be repeated.")
@click.option(
    "--cases",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file with the columns file and class_id: your own labelled pictures.",
)
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Which share of the --cases must be right.",
)
@connection_options
@click.pass_context
def suite(
    context: click.Context,
    only_list: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    cases: Path | None,
    min_accuracy: float,
) -> None:
    """Test a deployment: its golden cases against PyTorch's answers, your own cases, bad input.

    Exit code 0 when all pass, 1 when one fails, 3 when the service cannot be reached.
    """
    checks = choose(only, skip)
    if only_list:
        list_checks(checks)
        return
    settings = settings_of(context)
    labelled = read_labelled_cases(cases) if cases is not None else ()
    with client_from(settings) as client, client_from(settings, retry=NO_RETRY) as direct:
        client.health()
        deployment = Deployment(client, direct, labelled, min_accuracy)
        results = show_while_running(checks, run_checks(checks, deployment))
    counts = {
        outcome: sum(result.outcome == outcome for result in results) for outcome in ("passed", "failed", "skipped")
    }
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()), err=True)
    context.exit(1 if counts["failed"] else 0)
