"""`imgcls-client suite`."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
from imgcls_cli.files import replace_file
from imgcls_cli.printable import echo

from imgcls_client.commands.connection_options import (
    anonymous_client,
    client_from,
    connection_options,
    has_key,
    platform_api_from,
    platform_app_of,
    settings_of,
)
from imgcls_client.commands.durations import DURATION
from imgcls_client.commands.identity_options import identity_options, truth_of
from imgcls_client.http.retry_policy import NO_RETRY
from imgcls_client.suite.deployment import Deployment, SuiteOptions
from imgcls_client.suite.html_report import html_page
from imgcls_client.suite.junit_report import junit_xml
from imgcls_client.suite.labelled_cases import read_labelled_cases
from imgcls_client.suite.runner import SuiteRun, model_of, other_models, preflight, run_checks, skip_checks
from imgcls_client.suite.selection import choose, of_model
from imgcls_client.suite.table import list_checks, show_while_running

_NOT_READY = 3
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Print the tests and what each proves, and run none.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this group or test alone; can be repeated.")
@click.option("--skip", multiple=True, metavar="NAME", help="Leave this group or test out; can be repeated.")
@click.option(
    "--cases",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file with the columns file and class_id: your own labelled images.",
)
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Which share of the --cases must be right.",
)
@click.option(
    "--max-latency",
    "max_latency_s",
    type=DURATION,
    default="3s",
    show_default=True,
    help="Slowest 99th percentile of a warm service.",
)
@click.option(
    "--load-time",
    "load_s",
    type=DURATION,
    default="3s",
    show_default=True,
    help="How long each test of performance puts load on the service.",
)
@click.option("--concurrency", type=click.IntRange(1, 1000), default=16, show_default=True, help="Calls at once.")
@click.option("--expect-private", is_flag=True, help="Fail when the deployment answers without a key.")
@click.option("--cold-start", is_flag=True, help="On a platform: wait for scale-down, then measure a start from zero.")
@click.option(
    "--cold-start-wait",
    "cold_start_wait_s",
    type=DURATION,
    default="10m",
    show_default=True,
    help="How long to wait for scale-down.",
)
@identity_options
@click.option("--seed", type=click.IntRange(min=0), help="Draw the images of an earlier run with --artifact again.")
@click.option("--all-models", is_flag=True, help="Test the answers of every model that is loaded.")
@click.option("--image-url", help="Address of an image that the service and this client reach: is it answered alike?")
@click.option("--junit", type=_NEW_FILE, help="Write the results as JUnit XML, too.")
@click.option("--html", type=_NEW_FILE, help="Write the results as one HTML page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
@connection_options
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
    min_accuracy: float,
    max_latency_s: float,
    load_s: float,
    concurrency: int,
    expect_private: bool,
    cold_start: bool,
    cold_start_wait_s: float,
    artifact: Path | None,
    seed: int | None,
    model_sha256: str | None,
    signed_by: tuple[str, ...],
    model: str | None,
    all_models: bool,
    image_url: str | None,
) -> None:
    """Test a deployment: PyTorch's golden answers, your own cases, bad input, protocol, security, speed.

    Exit code 0 when all pass, 1 when one fails, 3 when the service cannot be reached or is not ready.
    """
    if all_models and (model or artifact or model_sha256):
        raise click.UsageError("--all-models goes with neither --model nor --artifact nor --model-sha256.")
    checks = choose(only, skip)
    if only_list:
        list_checks(checks)
        return
    settings = settings_of(context)
    if platform_app_of(settings) is None and not only:
        # Nothing but skipped tests on every other host.
        checks = tuple(check for check in checks if check.group != "platform")
    options = SuiteOptions(
        cases=read_labelled_cases(cases) if cases is not None else (),
        min_accuracy=min_accuracy,
        max_latency_s=max_latency_s,
        load_s=load_s,
        concurrency=concurrency,
        expect_private=expect_private,
        is_behind_router=platform_app_of(settings) is not None,
        cold_start_wait_s=cold_start_wait_s if cold_start else None,
        model_sha256=model_sha256,
        signed_by=signed_by,
        image_url=image_url,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
    )
    truth = truth_of(artifact)
    with ExitStack() as stack:
        client = stack.enter_context(client_from(settings, is_check=True))
        direct = stack.enter_context(client_from(settings, retry=NO_RETRY, is_check=True))
        api = platform_api_from(settings)
        platform = stack.enter_context(api) if api is not None else None
        deployment = Deployment(
            client=client,
            direct=direct,
            options=options,
            has_key=has_key(settings),
            as_anonymous=lambda key: anonymous_client(settings, key),
            platform=platform,
            model=model,
            truth=truth,
        )
        not_ready = preflight(deployment)
        if not_ready is not None:
            running = skip_checks(checks, f"the service is not ready: {not_ready}")
        else:
            others = other_models(deployment) if all_models else ()
            more = [(each, of_model(checks, each)) for each in others]
            running = chain(
                run_checks(checks, deployment),
                *(run_checks(each, replace(deployment, model=name)) for name, each in more),
            )
            checks = (*checks, *(check for _, each in more for check in each))
            asked = model_of(deployment)
            if asked is not None:
                echo(f"{client.connection.url}: {asked.name}, sha256 {asked.sha256[:12] or 'unknown'}", err=True)
        results = show_while_running(checks, running) if not (as_json or not_ready) else list(running)
        run = SuiteRun(url=client.connection.url, model=model_of(deployment), results=tuple(results))
    if as_json:
        echo(json.dumps(run.document(), indent=2, ensure_ascii=False))
    if junit is not None:
        replace_file(junit, junit_xml(run))
    if html is not None:
        replace_file(html, html_page(run))
    if not_ready is not None:
        echo(f"imgcls-client: {run.url} is not ready: {not_ready.rstrip('.')}. No test was run.", err=True)
        context.exit(_NOT_READY)
    echo(run.summary(), err=True)
    context.exit(0 if run.has_passed else 1)
