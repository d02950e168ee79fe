"""What a soak shows: whether something grew, as JSON and as a page with curves.

    python benchmarks/serve/soak_report.py benchmarks/serve/results/soak.json FOLDER

draws the page `soak.html` of a kept result into FOLDER.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imgcls_report as report

# Loops, caches and the allocator find their level first.
WARM_SHARE = 0.15
MAX_GROWTH = 0.05


def judged(
    samples: list[dict[str, float]], counts: Counter[str], faults: list[str], exit_code: int | None
) -> dict[str, Any]:
    """Judges what has been seen so far."""
    warm = samples[int(len(samples) * WARM_SHARE) :] or samples
    quarter = max(1, len(warm) // 4)
    growth = {
        name: _growth([one[name] for one in warm[:quarter]], [one[name] for one in warm[-quarter:]])
        for name in ("memory_mb", "descriptors", "threads")
    }
    minutes = samples[-1]["minute"] if samples else 0.0
    return {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "minutes": minutes,
        "requests": sum(counts.values()),
        "counts": dict(sorted(counts.items())),
        "faults": faults[:20],
        "median_of_first_and_last_quarter": growth,
        "health_ms_p99": _percentile([one["health_ms"] for one in samples], 0.99),
        "exit_code": exit_code,
        "ok": not faults
        and exit_code in {0, None}
        and all(last <= first * (1 + MAX_GROWTH) + 1 for first, last in growth.values()),
        "samples": samples,
    }


def write(result: dict[str, Any], output: Path) -> None:
    """Writes both files, each whole."""
    samples = result["samples"]

    def curve(title: str, unit: str, *names: str) -> Any:  # noqa: ANN401 - markup
        marks = [report.Line(name.replace("_", " "), [(one["minute"], one[name]) for one in samples]) for name in names]
        return report.chart(title, marks, x=report.number_scale("minutes", is_tight=True), y=report.number_scale(unit))

    parts = [
        report.section(
            "Memory", curve("Memory", "MB", "memory_mb", "children_mb"), note="children decode and try loads"
        ),
        report.section("Descriptors and threads", curve("Descriptors and threads", "", "descriptors", "threads")),
        report.section("GET /health", curve("GET /health", "ms", "health_ms")),
        report.section(
            "What was sent and answered", report.bullets(f"{k}: {v:,}" for k, v in result["counts"].items())
        ),
        report.section("Faults", report.bullets(result["faults"] or ["none"])),
    ]
    page = report.page(
        "imgcls-serve soak",
        f"{result['minutes']:.0f} minutes, {result['requests']:,} requests",
        parts,
        date=result["ended"],
        verdict=("flat", "good") if result["ok"] else ("not flat", "bad"),
    )
    output.mkdir(parents=True, exist_ok=True)
    for name, text in (("soak.json", json.dumps(result, indent=1) + "\n"), ("soak.html", page)):
        new = output / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(output / name)


def _growth(first: list[float], last: list[float]) -> tuple[float, float]:
    return statistics.median(first), statistics.median(last)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
