"""`imgcls-client monitor` and `imgcls-client monitor report`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from imgcls_cli.durations import duration_option
from imgcls_cli.files import OUTPUT_FILE, replace_file
from imgcls_cli.helped import HelpedCommand, HelpedGroup
from imgcls_cli.printable import echo
from imgcls_sdk.errors import SettingsError

from imgcls_client.commands import connection_options as connection
from imgcls_client.commands.identity_options import identity_options, truth_of
from imgcls_client.settings import ResolvedSettings, state_path

if TYPE_CHECKING:
    from imgcls_client.monitor.watch import Pass, Watch

_UNREACHABLE = 3
_monitor_options = partial(connection.connection_options, for_command="monitor")


@click.group(
    cls=HelpedGroup,
    invoke_without_command=True,
    examples=(
        "imgcls-client monitor",
        "imgcls-client monitor --every 5m --webhook https://chat.example/hook",
        "imgcls-client monitor --every 60s --for 1h --max-latency 500ms",
        "imgcls-client monitor report --since 24h",
    ),
)
@duration_option("--every", "every_s", None, "Make a pass this often, as in 60s or 5m.  [default: one pass]")
@duration_option("--for", "for_s", None, "Stop after this long, as in 1h.  [default: until interrupted]")
@click.option("--image", "images", multiple=True, help="Ask this image or folder, too; can be repeated.")
@duration_option("--max-latency", "max_latency_s", "3s", "Limit of a pass's p95.", can_be_zero=True)
@click.option(
    "--max-drift",
    type=click.FloatRange(min=0, min_open=True),
    default=0.25,
    show_default=True,
    help="Limit of the population stability index against the artifact's reference.",
)
@identity_options
@click.option(
    "--alert-after", type=click.IntRange(min=1), default=1, show_default=True, help="Bad passes before an alert."
)
@click.option("--alert-command", help="Run this on an alert, with a JSON document on its standard input.")
@click.option("--prometheus", type=OUTPUT_FILE, help="Write the last pass for Prometheus' textfile collector.")
@click.option("--wandb", is_flag=True, help="Log every pass to Weights & Biases.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each pass.")
@_monitor_options
@click.pass_context
def monitor(
    context: click.Context,
    every_s: float | None,
    for_s: float | None,
    images: tuple[str, ...],
    max_latency_s: float,
    max_drift: float,
    artifact: Path | None,
    model_sha256: str | None,
    signed_by: tuple[str, ...],
    model: str | None,
    alert_after: int,
    alert_command: str | None,
    prometheus: Path | None,
    wandb: bool,
    as_json: bool,
) -> None:
    """Watch a deployment: available, ready, right, fast, the same model, the same distribution.

    One pass, or one --every so often. Passes are kept in a database for `monitor report`. An alert goes out once when
    a rule breaks and once when it recovers. Exit code 1 when the last pass breaks a rule or an alert went out, 3 when
    the last pass could not reach the service.
    """
    if context.invoked_subcommand is not None:
        return
    from imgcls_sdk.retry_policy import NO_RETRY

    from imgcls_client.monitor.alerts import Alerting
    from imgcls_client.monitor.exports import figures_of, prometheus_text, start_wandb
    from imgcls_client.monitor.platform import platform_figures
    from imgcls_client.monitor.rules import Limits
    from imgcls_client.monitor.store import opened_store
    from imgcls_client.monitor.watch import Watch, times_of
    from imgcls_client.predict.image_sources import find_images

    settings = connection.settings_of(context)
    truth = truth_of(artifact)
    expected = tuple(each for each in (model_sha256, None if truth is None else truth.sha256) if each is not None)
    asks_drift = context.get_parameter_source("max_drift") is ParameterSource.COMMANDLINE
    exit_code = was_alerted = 0
    with ExitStack() as stack:
        client = stack.enter_context(connection.client_from(settings, retry=NO_RETRY, is_check=True))
        api = connection.platform_api_from(settings)
        watch = Watch(
            client,
            stack.enter_context(opened_store(_database_of(settings))),
            Limits(max_latency_s * 1000, max_drift, expected, signed_by),
            Alerting(settings.text("webhook"), alert_command),
            alert_after,
            tuple(find_images(images)),
            partial(platform_figures, stack.enter_context(api)) if api is not None else dict[str, float],
            model,
            truth,
        )
        if (run := start_wandb(client.connection.url) if wandb else None) is not None:
            stack.callback(run.finish)
        try:
            for _ in times_of(every_s, for_s):
                made = watch.make_pass()
                was_alerted |= any(transition.kind == "broken" for transition in made.transitions)
                exit_code = _UNREACHABLE if made.seen.is_unreachable else int(bool(made.broken))
                _say(made, as_json=as_json)
                if asks_drift and made.seen.is_ready:
                    asks_drift = False
                    _say_what_drift_lacks(made)
                if prometheus is not None:
                    replace_file(prometheus, prometheus_text(made.seen, made.broken, _last_good_s(watch)))
                if run is not None:
                    run.log(figures_of(made.seen))
        except KeyboardInterrupt:
            echo("imgcls-client: stopped watching.", err=True)
    context.exit(exit_code or was_alerted)


def _say(made: Pass, *, as_json: bool) -> None:
    from imgcls_client.monitor.exports import pass_document, pass_line

    echo(json.dumps(pass_document(made), ensure_ascii=False) if as_json else pass_line(made))
    for problem in made.problems:
        echo(f"imgcls-client: {problem}.", err=True)


def _say_what_drift_lacks(made: Pass) -> None:
    """Tells who asked for a limit of drift why there is nothing to compare with."""
    if not made.seen.drift:
        lacks = "says nothing of its answers" if made.seen.live is None else "serves an artifact without a reference"
        echo(f"imgcls-client: the service {lacks}, so --max-drift judges nothing.", err=True)


def _last_good_s(watch: Watch) -> float | None:
    """Says when the last pass without fault was, in seconds since 1970."""
    from imgcls_client.monitor.history import fault_of

    passes = watch.store.observations(watch.client.connection.url, datetime.now(UTC) - timedelta(days=30))
    return next((seen.at.timestamp() for seen in reversed(passes) if fault_of(seen) is None), None)


def _database_of(settings: ResolvedSettings) -> Path:
    named = settings.text("database")
    return Path(named) if named is not None else state_path()


@monitor.command(
    cls=HelpedCommand,
    examples=(
        "imgcls-client monitor report",
        "imgcls-client monitor report --since 7d --html week.html",
    ),
)
@duration_option("--since", "since_s", "7d", "How far back, as in 24h or 7d.")
@click.option(
    "--html", type=OUTPUT_FILE, default=Path("imgcls-monitor.html"), show_default=True, help="Write the page here."
)
@click.option("--summary", type=OUTPUT_FILE, help="Append Markdown to this file, as to $GITHUB_STEP_SUMMARY.")
@_monitor_options
@click.pass_context
def report(context: click.Context, since_s: float, html: Path, summary: Path | None) -> None:
    """Draw what was kept as one HTML page, and print a summary."""
    from imgcls_client.monitor.history import History
    from imgcls_client.monitor.report import report_page
    from imgcls_client.monitor.store import opened_store
    from imgcls_client.monitor.summary import markdown_summary

    settings = connection.settings_of(context)
    with opened_store(_database_of(settings), must_exist=True) as store:
        watched, url = store.urls(), connection.url_of(settings)
        if url not in watched and settings.origins["url"].rank == 3 and settings.origins["app"].value is None:
            url = next(iter(watched), url)  # nobody named one: the deployment that was watched last
        passes = store.observations(url, datetime.now(UTC) - timedelta(seconds=since_s))
        if not passes:
            known = ", ".join(watched) or "none"
            raise SettingsError(f"There are no passes over {url} in that time; watched are: {known}.")
        alerts = [state for state in store.rule_states(url).values() if state.alerted_at is not None]
        history, live = History(passes, store.class_names(url), alerts), store.live(url)
    replace_file(html, report_page(history, url, live=live))
    text = markdown_summary(history, url)
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)
    echo(text, nl=False)
    echo(f"Written to {html}.", err=True)
