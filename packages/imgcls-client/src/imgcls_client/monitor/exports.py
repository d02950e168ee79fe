"""A pass in every form that leaves this process: a line, JSON, Prometheus' textfile collector, Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from imgcls_cli.width import fit_parts
from imgcls_sdk.errors import SettingsError

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.alerts import transition_text
from imgcls_client.monitor.drift import drift_text
from imgcls_client.monitor.observation import STAGES, Observation
from imgcls_client.monitor.rules import RULES
from imgcls_client.monitor.watch import Pass

_QUANTILES = (50, 95, 99)


def figures_of(seen: Observation) -> dict[str, float]:
    """Gives the figures of a pass by name; times in milliseconds."""
    figures: dict[str, float] = {"available": float(seen.is_available), "ready": float(seen.is_ready)}
    if seen.is_golden_right is not None:
        figures["golden_right"] = float(seen.is_golden_right)
        figures["golden_max_difference"] = max(call.difference or 0.0 for call in seen.golden_calls)
    for stage in STAGES:
        if times := seen.times_ms(stage):
            figures |= {f"{stage}_ms_p{percent}": percentile(times, percent) for percent in _QUANTILES}
    figures["failed_calls"] = float(len(seen.failed_calls))
    if seen.drift and seen.live is not None:
        figures["drift_answers"] = float(seen.live.window.answers)
    for drift in seen.drift:
        values = {"psi": drift.psi, "jensen_shannon": drift.jensen_shannon, "answers_needed": drift.answers_needed}
        figures |= {f"drift_{drift.of}_{name}": float(value) for name, value in values.items() if value is not None}
    return figures


def prometheus_text(seen: Observation, broken: dict[str, str], last_good_s: float | None) -> str:
    """Writes a pass in Prometheus' text format; names follow its conventions (seconds, `_info`)."""
    url = _label_value(seen.url)
    figures = figures_of(seen)
    lines: list[str] = []

    def metric(name: str, says: str, samples: Iterable[tuple[str, float | None]]) -> None:
        told = [(labels, value) for labels, value in samples if value is not None]
        if told:
            lines.extend([f"# HELP imgcls_monitor_{name} {says}", f"# TYPE imgcls_monitor_{name} gauge"])
            lines.extend(f'imgcls_monitor_{name}{{url="{url}"{labels}}} {value:.10g}' for labels, value in told)

    for name, figure, says in (
        ("up", "available", "Whether the service answered."),
        ("ready", "ready", "Whether the service takes work."),
        ("golden_right", "golden_right", "Whether every golden case was answered as PyTorch did."),
        ("golden_max_difference", "golden_max_difference", "Largest distance of a golden probability to PyTorch's."),
        ("failed_calls", "failed_calls", "Calls of the last pass without an answer."),
    ):
        metric(name, says, [("", figures.get(figure))])
    stages = [(stage, percent, f"{stage}_ms_p{percent}") for stage in STAGES for percent in _QUANTILES]
    metric(
        "stage_seconds",
        "Time of the calls of the last pass by stage.",
        [(f',stage="{of}",percentile="{p}"', figures[key] / 1000) for of, p, key in stages if key in figures],
    )
    for name, says in (
        ("psi", "Population stability index of the latest answers against the artifact's reference."),
        ("jensen_shannon", "Jensen-Shannon distance of the latest answers to the artifact's reference."),
        ("answers_needed", "Answers from which chance alone keeps the index below the limit."),
    ):
        said = [(f',of="{each.of}"', figures.get(f"drift_{each.of}_{name}")) for each in seen.drift]
        metric(f"drift_{name}", says, said)
    metric("rule_broken", "Whether a rule is broken.", [(f',rule="{rule}"', float(rule in broken)) for rule in RULES])
    metric("last_pass_timestamp_seconds", "When the last pass was.", [("", seen.at.timestamp())])
    metric("last_good_pass_timestamp_seconds", "When the last pass without fault was.", [("", last_good_s)])
    if seen.model_sha256 is not None:
        model = f',model="{_label_value(seen.model_name or "")}",sha256="{_label_value(seen.model_sha256)}"'
        metric("model_info", "Which model answers.", [(model, 1.0)])
    return "\n".join(lines) + "\n"


def _label_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def start_wandb(url: str) -> Any:  # noqa: ANN401 - a run of a package that is not a dependency
    """Begins a run of Weights & Biases; its own variables (such as `WANDB_MODE=offline`) say where it goes.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        wandb = import_module("wandb")
    except ImportError as error:
        raise SettingsError("--wandb needs the package wandb: `pip install wandb`, or leave the flag out.") from error
    return wandb.init(project="imgcls-monitor", config={"url": url})


def pass_line(made: Pass) -> str:
    """Says in one line what a pass saw, and in one more each alert; broken between parts on a narrow terminal."""
    seen = made.seen
    at = f"{seen.at:%Y-%m-%d %H:%M:%S}"
    parts = [at, "ok    " if not made.broken else "BROKEN"]
    if golden := seen.golden_calls:
        worst = max(call.difference or 0.0 for call in golden)
        parts.append(f"golden {len(golden) - len(seen.wrong)}/{len(golden)} max |Δp| {worst:.1g}")
    if times := seen.times_ms("call"):
        parts.append(f"p50/p95 {percentile(times, 50):.0f}/{percentile(times, 95):.0f} ms")
    if seen.drift:
        parts.append(drift_text(seen.drift))
    if seen.model_sha256 is not None:
        parts.append(f"{seen.model_name} {seen.model_sha256[:12]}")
    parts += [f"{rule}: {detail}" for rule, detail in made.broken.items()]
    alerts = [f"{at}  ALERT   {transition_text(each, seen.url)}" for each in made.transitions]
    return "\n".join([fit_parts(parts, indent=" " * (len(at) + 2)), *alerts])


def pass_document(made: Pass) -> dict[str, object]:
    """Gives a pass as a JSON object."""
    seen = made.seen
    return {
        "at": seen.at.isoformat(timespec="milliseconds"),
        "url": seen.url,
        "ok": not made.broken,
        "broken": made.broken,
        "reason": seen.reason,
        "model": None if seen.model_sha256 is None else {"name": seen.model_name, "sha256": seen.model_sha256},
        "provider": seen.provider,
        "figures": figures_of(seen),
        "alerts": [{"rule": each.rule, "state": each.kind, "detail": each.detail} for each in made.transitions],
        "platform": seen.platform,
    }
