"""`imgcls-client suite`."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click
from imgcls_cli.durations import duration_option
from imgcls_cli.files import OUTPUT_FILE, replace_file
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_client.commands import connection_options as connection
from imgcls_client.commands.identity_options import identity_options, truth_of

_NOT_READY = 3
_OLD_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    cls=HelpedCommand,
    examples=(
        "imgcls-client suite",
        "imgcls-client suite --expect-private --junit suite.xml",
        "imgcls-client suite --artifact models/resnet18.onnx --cases labels.csv",
        "imgcls-client suite --only security --only golden_classes",
    ),
)
@click.option("--list", "only_list", is_flag=True, help="Print the tests and what each proves, and run none.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this group or test alone; can be repeated.")
@click.option("--skip", multiple=True, metavar="NAME", help="Leave this group or test out; can be repeated.")
@click.option("--cases", type=_OLD_FILE, help="CSV file with the columns file and class_id: your own labelled images.")
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    help="Which share of the --cases must be right.  [default: what the artifact says of itself, less chance]",
)
@duration_option("--max-latency", "max_latency_s", "3s", "Slowest 99th percentile of a warm service.")
@duration_option("--load-time", "load_s", "3s", "How long each test of performance puts load on the service.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=16, show_default=True, help="Calls at once.")
@click.option("--expect-private", is_flag=True, help="Fail when the deployment answers without a key.")
@click.option("--cold-start", is_flag=True, help="On a platform: wait for scale-down, then measure a start from zero.")
@duration_option("--cold-start-wait", "cold_start_wait_s", "10m", "How long to wait for scale-down.")
@identity_options
@click.option("--seed", type=click.IntRange(min=0), help="Draw the images of an earlier run with --artifact again.")
@click.option("--all-models", is_flag=True, help="Test the answers of every model that is loaded.")
@click.option("--image-url", help="Address of an image that the service and this client reach: is it answered alike?")
@click.option("--junit", type=OUTPUT_FILE, help="Write the results as JUnit XML, too.")
@click.option("--html", type=OUTPUT_FILE, help="Write the results as one HTML page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
@connection.connection_options
@click.pass_context
def suite(
    context: click.Context,
    only_list: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    cases: Path | None,
    junit: Path | None,
    html: Path | None,
    as_json: bool,
    cold_start: bool,
    cold_start_wait_s: float,
    artifact: Path | None,
    seed: int | None,
    model: str | None,
    all_models: bool,
    **asked: Any,  # noqa: ANN401 - the options that are `SuiteOptions` as they stand
) -> None:
    """Test a deployment: PyTorch's golden answers, your own cases, bad input, protocol, security, speed.

    Exit code 0 when all pass, 1 when one fails, 3 when the service cannot be reached or is not ready.
    """
    from imgcls_sdk.retry_policy import NO_RETRY

    from imgcls_client.served import Served, ask_served
    from imgcls_client.suite.deployment import Deployment, SuiteOptions
    from imgcls_client.suite.labelled_cases import read_labelled_cases
    from imgcls_client.suite.reports import html_page, junit_xml
    from imgcls_client.suite.runner import SuiteRun, model_of, other_models, preflight, run_checks, skip_checks
    from imgcls_client.suite.selection import choose, of_model
    from imgcls_client.suite.table import list_checks, show_while_running

    if all_models and (model or artifact or asked["model_sha256"]):
        raise click.UsageError("--all-models goes with neither --model nor --artifact nor --model-sha256.")
    checks = choose(only, skip)
    if only_list:
        list_checks(checks)
        return
    settings = connection.settings_of(context)
    is_behind_router = connection.platform_app_of(settings) is not None
    if not is_behind_router and not only:
        # Nothing but skipped tests on every other host.
        checks = tuple(check for check in checks if check.group != "platform")
    options = SuiteOptions(
        cases=read_labelled_cases(cases) if cases is not None else (),
        is_behind_router=is_behind_router,
        cold_start_wait_s=cold_start_wait_s if cold_start else None,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        **asked,
    )
    with ExitStack() as stack:
        deployment = Deployment(
            client=stack.enter_context(connection.client_from(settings, is_check=True)),
            direct=stack.enter_context(connection.client_from(settings, retry=NO_RETRY, is_check=True)),
            options=options,
            has_key=connection.has_key(settings),
            as_anonymous=lambda key: connection.anonymous_client(settings, key),
            platform=stack.enter_context(api) if (api := connection.platform_api_from(settings)) else None,
            model=model,
            truth=truth_of(artifact),
        )
        url = deployment.client.connection.url
        if (not_ready := preflight(deployment)) is not None:
            running = skip_checks(checks, f"the service is not ready: {not_ready}")
        else:
            others = other_models(deployment) if all_models else ()
            more = [(each, of_model(checks, each)) for each in others]
            running = chain(
                run_checks(checks, deployment),
                *(run_checks(each, replace(deployment, model=name)) for name, each in more),
            )
            checks = (*checks, *(check for _, each in more for check in each))
            if (tested := model_of(deployment)) is not None:
                echo(f"{url}: {tested.name}, sha256 {tested.sha256[:12] or 'unknown'}", err=True)
        results = show_while_running(checks, running) if not (as_json or not_ready) else list(running)
        tested = model_of(deployment)
        served = ask_served(deployment.direct, tested.name) if html and tested else Served()
        run = SuiteRun(url, tested, tuple(results), served)
    if as_json:
        echo(json.dumps(run.document(), indent=2, ensure_ascii=False))
    for path, written in ((junit, junit_xml), (html, html_page)):
        if path is not None:
            replace_file(path, written(run))
    if not_ready is not None:
        echo(f"imgcls-client: {run.url} is not ready: {not_ready.rstrip('.')}. No test was run.", err=True)
        context.exit(_NOT_READY)
    echo(run.summary(), err=True)
    context.exit(0 if run.has_passed else 1)
