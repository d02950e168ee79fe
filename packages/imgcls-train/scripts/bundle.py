"""Makes the model that comes with imgcls-convert from a finished run: half-precision weights, card, and its curves.

    uv run imgcls-train fit DATASET --recipe everyday100 --run runs/everyday100
    uv run python packages/imgcls-train/scripts/bundle.py runs/everyday100 --terms FILE --curves docs/everyday100.svg
    uv run imgcls-train evaluate packages/imgcls-networks/src/imgcls_networks/data/everyday100 DATASET --fit-temperature

The evaluation comes last, so that it judges the rounded weights that are shipped.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import msgspec
from imgcls_cli.files import replace_file
from imgcls_networks.models.trained_model import CARD_NAME, WEIGHTS_NAME, TrainedModel
from imgcls_train.training.run_folder import METRICS_NAME
from safetensors.torch import load_file, save

TARGET = Path(__file__).parents[2] / "imgcls-networks/src/imgcls_networks/data/everyday100"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 300, 46, 28, 34


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--terms", type=Path, required=True, help="text: where the data come from, and the terms")
    parser.add_argument("--curves", type=Path, required=True, help="SVG to write")
    parser.add_argument("--target", type=Path, default=TARGET)
    given = parser.parse_args()
    card = TrainedModel.read(given.run)
    tensors = load_file(given.run / WEIGHTS_NAME)
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    given.target.mkdir(parents=True, exist_ok=True)
    replace_file(given.target / WEIGHTS_NAME, save(halves))
    terms = " ".join(given.terms.read_text(encoding="utf-8").split())
    fresh = msgspec.structs.replace(card, terms=terms, temperature=1.0, evaluation=None, reference=None)
    replace_file(given.target / CARD_NAME, fresh.to_json())
    with (given.run / METRICS_NAME).open(encoding="utf-8") as file:
        given.curves.write_text(curves(list(csv.DictReader(file))), encoding="utf-8")
    for path in sorted(given.target.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")


def curves(rows: list[dict[str, str]]) -> str:
    """Top-1 and top-5 on the validation split over the epochs; colours that are legible on light and dark ground."""
    last = len(rows)

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - 90) * (epoch - 1) / max(1, last - 1)

    def y(pct: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - pct / 100)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        '<title>Accuracy on the validation split over the epochs</title><g fill="#808080" stroke="none">',
    ]
    for pct in range(0, 101, 20):
        parts.append(f'<rect x="{LEFT}" y="{y(pct):.1f}" width="{x(last) - LEFT:.0f}" height="0.5"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(pct) + 4:.1f}" text-anchor="end">{pct} %</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">epoch 1</text>')
    parts.append(f'<text x="{x(last):.0f}" y="{HEIGHT - 10}" text-anchor="end">{last}</text>')
    before = None
    for row in rows:
        if row["train_size"] != before:
            at = x(float(row["epoch"]))
            parts.append(f'<rect x="{at:.1f}" y="{TOP}" width="0.5" height="{HEIGHT - TOP - BOTTOM}"/>')
            parts.append(f'<text x="{at + 4:.1f}" y="{TOP - 8}">trained at {row["train_size"]} px</text>')
            before = row["train_size"]
    parts.append("</g>")
    for name, colour, field in (("top-1", "#2f81f7", "val_top1_pct"), ("top-5", "#d9730d", "val_top5_pct")):
        points = " ".join(f"{x(float(row['epoch'])):.1f},{y(float(row[field])):.1f}" for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        end = float(rows[-1][field])
        parts.append(f'<text x="{x(last) + 8:.0f}" y="{y(end) + 4:.1f}" fill="{colour}">{name} {end:.1f} %</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main()
