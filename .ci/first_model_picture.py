"""Draws docs/first-model.png: pictures of each class, made by the page's own program."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_CELL, _COLUMNS = 52, 8

with tempfile.TemporaryDirectory() as scratch:
    blocks = re.findall(
        r"^```python\n(.*?)^```", (_DOCS / "first-model.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    subprocess.run([sys.executable, "-c", blocks[0]], cwd=scratch, check=True)  # noqa: S603 - our own page
    classes = sorted(Path(scratch, "garden/train").iterdir())
    sheet = Image.new("RGB", (_COLUMNS * _CELL, len(classes) * _CELL), "white")
    for row, folder in enumerate(classes):
        for column, picture in enumerate(sorted(folder.iterdir())[:_COLUMNS]):
            sheet.paste(Image.open(picture), (column * _CELL + 2, row * _CELL + 2))
    sheet.quantize(64).save(_DOCS / "first-model.png", optimize=True)
