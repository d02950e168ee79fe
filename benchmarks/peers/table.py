"""Rounds become a table: medians over rounds, each figure as a ratio to the limit of its own minutes."""

from __future__ import annotations

import statistics
from typing import Any

CONNECTIONS = (8, 32)
QUIET_CPUS = 0.2  # that other work may take while servers are compared


def summary(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gives a row for each contestant and precision, the most efficient at 32 callers first.

    `share_cN` is images/s ÷ the limit's, measured just before and after; `cpu_share` is the limit's processor time of
    one image ÷ the contestant's at 32 callers, which other work on the machine disturbs less.
    """
    rows: list[dict[str, Any]] = []
    for name, precision in dict.fromkeys((one["name"], one["precision"]) for one in rounds):
        own = [one for one in rounds if (one["name"], one["precision"]) == (name, precision)]
        row: dict[str, Any] = {"name": name, "precision": precision, "version": own[-1]["version"], "rounds": len(own)}
        for callers in CONNECTIONS:
            found = [one[f"c{callers}"] for one in own]
            row[f"images_per_s_c{callers}"] = _median([one["requests_per_s"] for one in found], 1)
            row[f"share_c{callers}"] = _median(
                [at["requests_per_s"] / _limit(one, "images_per_s") for one, at in zip(own, found, strict=True)], 3
            )
            row[f"p50_ms_c{callers}"] = _median([one["p50_ms"] for one in found], 0)
            row[f"p99_ms_c{callers}"] = _median([one["p99_ms"] for one in found], 0)
        row["cpu_ms_per_image"] = _median([one["c32"]["cpu_ms_per_image"] for one in own], 2)
        row["cpu_share"] = _median([_limit(one, "cpu_ms_per_image") / one["c32"]["cpu_ms_per_image"] for one in own], 3)
        row["limit_images_per_s"] = _median([_limit(one, "images_per_s") for one in own], 1)
        row["other_cpus"] = _median([one["c32"]["other_cpus"] for one in own], 2)
        row["errors"] = sum(one[f"c{callers}"]["errors"] for one in own for callers in CONNECTIONS)
        for field, digits in (("started_s", 1), ("memory_mb", 0), ("processes", 0), ("left_behind", 0)):
            row[field] = _median([one[field] for one in own], digits)
        row["worst_difference"] = max(one["worst_difference"] for one in own)
        rows.append(row)
    return sorted(rows, key=lambda row: (row["precision"], -row["share_c32"]))


def best_peer(rounds: list[dict[str, Any]], ours: str) -> str:
    """Names the peer that comes nearest to the limit at 32 callers."""
    return next(row["name"] for row in summary(rounds) if row["name"] != ours)


def other_cpus(rows: list[dict[str, Any]]) -> float:
    """Gives how many processors other work on the machine took, at the median."""
    return statistics.median([row["other_cpus"] for row in rows] or [0])


def reduced_words(rows: list[dict[str, Any]], ours: str, whole: str) -> list[str]:
    """Says what reduced precision brings: ours against the best peer's whole one, and both at the same."""
    by = {(row["name"] == ours, row["precision"]): row for row in rows}
    if len(by) < 4:  # not all of it has been measured yet
        return []
    low = next(precision for _, precision in by if precision != whole)
    told: list[str] = []
    for mine, theirs in ((low, whole), (whole, whole), (low, low)):
        one, other = by[True, mine], by[False, theirs]
        ratios = [f"{one[key] / other[key]:.2f}" for key in ("images_per_s_c8", "images_per_s_c32")]
        ratios.append(f"{other['cpu_ms_per_image'] / one['cpu_ms_per_image']:.2f}")
        told.append(f"| {ours} in {mine} ÷ {other['name']} in {theirs} | " + " | ".join(ratios) + " |")
    return told


def page(document: dict[str, Any], ours: str) -> str:
    """Gives the tables in Markdown."""
    lines = [
        f"{document['date']}, {document['machine']}; {document['model']} in {document['precision']},"
        f" {document['images']} photos of {document['image_kb']} KB; `{document['command']}`;"
        f" medians, rounds: {document['rounds']}.",
        "",
        "| server | version | images/s, 8 / 32 callers | of the limit, 8 / 32 | CPU ms an image | of the limit |"
        " p50 / p99 ms, 32 | first answer s | MB | processes left behind |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in document["table"]]
    if (others := other_cpus(document["table"])) > QUIET_CPUS:
        lines += [
            "",
            f"Other work took {others:.1f} of the processors meanwhile, and whoever has more threads got more of",
        ]
        lines += ["the rest: this table compares nothing. Measure again on a machine that does nothing else."]
    if document["left_out"]:
        lines += ["", f"Not measured, for it did not answer, or not rightly: {', '.join(document['left_out'])}."]
    if ratios := reduced_words(document["reduced"], ours, document["precision"]):
        lines += ["", "| images/s of one ÷ the other's | 8 callers | 32 callers | by processor time |"]
        lines += ["|---|---|---|---|", *ratios]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["name"],
        row["version"],
        f"{row['images_per_s_c8']:.0f} / {row['images_per_s_c32']:.0f}",
        f"{row['share_c8']:.2f} / {row['share_c32']:.2f}",
        f"{row['cpu_ms_per_image']:.2f}",
        f"{row['cpu_share']:.2f}",
        f"{row['p50_ms_c32']:.0f} / {row['p99_ms_c32']:.0f}",
        f"{row['started_s']:.1f}",
        f"{row['memory_mb']:.0f}",
        f"{row['left_behind']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _limit(one: dict[str, Any], field: str) -> float:
    return (one["limit_before"][field] + one["limit_after"][field]) / 2


def _median(values: list[float], digits: int) -> float:
    return round(statistics.median(values), digits)
