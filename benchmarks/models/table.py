"""Prints the results of `families.py` as a table.

uv run python benchmarks/models/table.py RESULTS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Prints what was converted, then what was refused."""
    rows = list(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).values())
    lines = ["| family | seconds | proof | pipeline | top-1 | default processor |", "|---|---|---|---|---|---|"]
    for row in rows:
        if "seconds" in row:
            moved = (row["torchvision_processor"] or "–").removeprefix("probabilities by up to ").split(" ")[0]
            lines.append(
                f"| {row['family']} | {row['seconds']:.0f} | {row['parity_max_abs_diff']:.1e} "
                f"| {row['pipeline_max_abs_diff']:.1e} | {row['pipeline_top1']} | {moved} |"
            )
    lines += ["", "| refused | sentence |", "|---|---|"]
    lines += [
        f"| {row['family']} | {row.get('refused') or row.get('broken')} |" for row in rows if "seconds" not in row
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
