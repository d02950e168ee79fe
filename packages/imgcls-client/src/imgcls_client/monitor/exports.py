"""A pass in every form that leaves this process: a line, JSON, Prometheus' textfile collector, Weights & Biases."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imgcls_cli.files import replace_file

from imgcls_client.errors import SettingsError
from imgcls_client.load.samples import percentile
from imgcls_client.monitor.alerts import transition_text
from imgcls_client.monitor.drift import drift_text
from imgcls_client.monitor.observation import STAGES, Observation
from imgcls_client.monitor.rules import RULES
from imgcls_client.monitor.watch import Pass

_QUANTILES = (50, 95, 99)


class WandbRun(Protocol):
    """What is used of a run of Weights & Biases."""

    def log(self, data: dict[str, float]) -> None:
        """Takes figures down."""
        ...

    def finish(self) -> None:
        """Ends the run."""
        ...


def figures_of(seen: Observation) -> dict[str, float]:
    """Gives the figures of a pass by name; times in milliseconds."""
    figures: dict[str, float] = {"available": float(seen.is_available), "ready": float(seen.is_ready)}
    if seen.is_golden_right is not None:
        figures["golden_right"] = float(seen.is_golden_right)
        figures["golden_max_difference"] = max(call.difference or 0.0 for call in seen.golden_calls)
    for stage in STAGES:
        times = [value for call in seen.calls if (value := call.time_ms(stage)) is not None]
        if times:
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

    def metric(name: str, says: str, samples: list[tuple[str, float]]) -> None:
        if samples:
            lines.extend([f"# HELP imgcls_monitor_{name} {says}", f"# TYPE imgcls_monitor_{name} gauge"])
            lines.extend(f'imgcls_monitor_{name}{{url="{url}"{labels}}} {value:.10g}' for labels, value in samples)

    metric("up", "Whether the service answered.", [("", figures["available"])])
    metric("ready", "Whether the service takes work.", [("", figures["ready"])])
    for name, says in (
        ("golden_right", "Whether every golden case was answered as PyTorch did."),
        ("golden_max_difference", "Largest distance of a golden probability to PyTorch's."),
    ):
        metric(name, says, [("", figures[name])] if name in figures else [])
    metric("failed_calls", "Calls of the last pass without an answer.", [("", figures["failed_calls"])])
    stages = [
        (f',stage="{stage}",percentile="{percent}"', figures[f"{stage}_ms_p{percent}"] / 1000)
        for stage in STAGES
        for percent in _QUANTILES
        if f"{stage}_ms_p{percent}" in figures
    ]
    metric("stage_seconds", "Time of the calls of the last pass by stage.", stages)
    for name, says in (
        ("psi", "Population stability index of the latest answers against the artifact's reference."),
        ("jensen_shannon", "Jensen-Shannon distance of the latest answers to the artifact's reference."),
        ("answers_needed", "Answers from which chance alone keeps the index below the limit."),
    ):
        keys = [(f',of="{each.of}"', f"drift_{each.of}_{name}") for each in seen.drift]
        metric(f"drift_{name}", says, [(labels, figures[key]) for labels, key in keys if key in figures])
    metric("rule_broken", "Whether a rule is broken.", [(f',rule="{rule}"', float(rule in broken)) for rule in RULES])
    metric("last_pass_timestamp_seconds", "When the last pass was.", [("", seen.at.timestamp())])
    good = [] if last_good_s is None else [("", last_good_s)]
    metric("last_good_pass_timestamp_seconds", "When the last pass without fault was.", good)
    if seen.model_sha256 is not None:
        model = f',model="{_label_value(seen.model_name or "")}",sha256="{_label_value(seen.model_sha256)}"'
        metric("model_info", "Which model answers.", [(model, 1.0)])
    return "\n".join(lines) + "\n"


def _label_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write_prometheus(path: Path, seen: Observation, broken: dict[str, str], last_good_s: float | None) -> None:
    """Writes the file for the textfile collector in one step, so that it is never read half."""
    replace_file(path, prometheus_text(seen, broken, last_good_s))


def start_wandb(url: str) -> WandbRun:
    """Begins a run of Weights & Biases; its own variables (such as `WANDB_MODE=offline`) say where it goes.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        wandb = import_module("wandb")
    except ImportError as error:
        raise SettingsError("--wandb needs the package wandb: `pip install wandb`, or leave the flag out.") from error
    return cast("WandbRun", wandb.init(project="imgcls-monitor", config={"url": url}))


def pass_line(made: Pass) -> str:
    """Says in one line what a pass saw."""
    seen = made.seen
    parts = [f"{seen.at:%Y-%m-%d %H:%M:%S}", "ok    " if not made.broken else "BROKEN"]
    golden = seen.golden_calls
    if golden:
        right = len(golden) - len(seen.wrong)
        worst = max(call.difference or 0.0 for call in golden)
        parts.append(f"golden {right}/{len(golden)} max |Δp| {worst:.1g}")
    times = [call.call_ms for call in seen.calls if call.call_ms is not None]
    if times:
        parts.append(f"p50/p95 {percentile(times, 50):.0f}/{percentile(times, 95):.0f} ms")
    if seen.drift:
        parts.append(drift_text(seen.drift))
    if seen.model_sha256 is not None:
        parts.append(f"{seen.model_name} {seen.model_sha256[:12]}")
    parts += [f"{rule}: {detail}" for rule, detail in made.broken.items()]
    lines = ["  ".join(parts)]
    lines += [f"{seen.at:%Y-%m-%d %H:%M:%S}  ALERT   {transition_text(each, seen.url)}" for each in made.transitions]
    return "\n".join(lines)


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
        "platform": made.platform,
    }
