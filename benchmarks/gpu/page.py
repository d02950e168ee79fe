"""What was measured, as a page."""

from __future__ import annotations

from typing import Any

import imgcls_report as report


def page(document: dict[str, Any]) -> str:
    """Writes the page of a whole run."""
    parts = [part for one in document["artifacts"] for part in _artifact(one)]
    ok = all(one["exactness"]["ok"] for one in document["artifacts"])
    return report.page(
        "imgcls on a GPU" if document["provider"] == "cuda" else "imgcls's GPU benchmark, tried on the CPU",
        document["title"],
        parts,
        date=document["date"],
        facts={"GPU": document["gpu"], "command": document["command"], "load": document["note"]},
        verdict=("exact", "good") if ok else ("other answers", "bad"),
    )


def _artifact(one: dict[str, Any]) -> list[Any]:
    exact, limits, served = one["exactness"], one["limits"], one["service"]
    best = max(served["loads"], key=lambda load: load["requests_per_s"])
    figures = [
        ("images/s", f"{best['requests_per_s']:,.0f}"),
        ("of the limit", f"{best['requests_per_s'] / limits['in_process']['images_per_s']:.0%}"),
        ("first answer", f"{min(served['cold_start_s']):.1f} s"),
        ("memory", f"{served['memory_mb']:,.0f} MB"),
    ]
    if served["gpu_memory_mb"] is not None:
        figures.append(("of the GPU's", f"{served['gpu_memory_mb']:,.0f} MB"))
    if one["cost_per_million"] is not None:
        figures.append(("a million images", f"$ {one['cost_per_million']:,.2f}"))
    number = [report.Column(name, "number") for name in ("callers", "images/s", "of the limit", "p50 ms", "p99 ms")]
    loads = [
        (
            str(load["callers"]),
            f"{load['requests_per_s']:,.1f}",
            f"{load['requests_per_s'] / limits['in_process']['images_per_s']:.2f}",
            f"{load['p50_ms']:.1f}",
            f"{load['p99_ms']:.1f}",
        )
        for load in served["loads"]
    ]
    told = [
        f"{exact['golden_cases']} golden cases: off by {exact['golden_max_difference']:.1e} at most,"
        f" {exact['tolerance']:.0e} allowed",
        f"{exact['same_class_as_cpu']} of {exact['photos']} photos get the CPU's class, probabilities off by"
        f" {exact['max_difference_to_cpu']:.1e} at most",
    ]
    bounds = [
        f"decode and shrink alone: {limits['decode']['images_per_s']:,.1f} images/s on"
        f" {limits['decode']['threads']} threads",
        f"with the network, no HTTP: {limits['in_process']['images_per_s']:,.1f} images/s in batches of"
        f" {limits['in_process']['batch']}",
    ]
    return [
        report.section(
            f"{one['name']}, {one['precision']}",
            report.figures(figures),
            report.section("Exactness", report.bullets(told), level=3),
            report.section("Limits", report.bullets(bounds), level=3),
            report.section("Served", report.table(number, loads), level=3),
            report.section("The network alone", _network(one["network"]), level=3),
        )
    ]


def _network(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - markup
    columns = [
        "way",
        *(report.Column(name, "number") for name in ("batch", "images/s", "ms a batch", "off from the CPU")),
    ]
    measured = [
        (
            row["way"],
            str(row["batch"]),
            f"{row['images_per_s']:,.1f}",
            f"{row['ms_per_batch']:.2f}",
            f"{row['max_difference']:.1e}",
        )
        for row in rows
        if "left_out" not in row
    ]
    left_out = [f"{row['way']}: {row['left_out']}" for row in rows if "left_out" in row]
    return report.side_by_side([report.table(columns, measured), *([report.bullets(left_out)] if left_out else [])])
