"""Draws the pictures of docs/first-model.md by what the page says: `uv run python .ci/first_model_pictures.py`.

Pictures of each class, the page at `/`, the report of the conversion and that of the suite; needs chromium.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from imgcls_testing.service import run_service
from PIL import Image
from playwright.sync_api import Page, sync_playwright

_DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
_CELL, _COLUMNS = 52, 8
_WIDTH_PX: Final = 1000


def _type(command: str, folder: Path, **variables: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = ["/bin/bash", "-c", command.replace("uv run ", "")]
    subprocess.run(given, cwd=folder, env=os.environ | {"PATH": path} | variables, check=True)  # noqa: S603 - our page


def _make_model(folder: Path) -> None:
    """Types everything of the page that comes before the service."""
    text = (_DOCS / "first-model.md").read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            (folder / block.split()[1]).write_text(block, encoding="utf-8")
        elif language == "sh":
            for command in block.splitlines():
                if not re.match("uv run imgcls-(serve|client)", command):
                    _type(command, folder)


def _draw_classes(folder: Path) -> None:
    classes = sorted(Path(folder, "garden/train").iterdir())
    sheet = Image.new("RGB", (_COLUMNS * _CELL, len(classes) * _CELL), "white")
    for row, one in enumerate(classes):
        for column, picture in enumerate(sorted(one.iterdir())[:_COLUMNS]):
            sheet.paste(Image.open(picture), (column * _CELL + 2, row * _CELL + 2))
    sheet.quantize(64).save(_DOCS / "first-model.png", optimize=True)


def _take(page: Page, name: str, height_px: int) -> None:
    page.set_viewport_size({"width": _WIDTH_PX, "height": height_px})
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    seen.save(_DOCS / f"first-model-{name}.webp", quality=80, method=6)


def main() -> None:
    """Draws all of them."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as runner:
        folder = Path(scratch)
        _make_model(folder)
        _draw_classes(folder)
        page = runner.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]).new_page()
        with run_service({"model": folder / "models/garden.onnx", "port": 0, "provider": "cpu"}) as service:
            page.set_viewport_size({"width": _WIDTH_PX, "height": 520})
            page.goto(service.url)
            page.set_input_files("#file", folder / "garden/val/leaf/00.png")
            page.wait_for_selector("#top li")
            _take(page, "page", 520)
            text = (_DOCS / "first-model.md").read_text(encoding="utf-8")
            for suite in re.findall("^uv run imgcls-client suite .*", text, re.MULTILINE):
                _type(suite, folder, IMGCLS_URL=service.url)
        for name, file in (("conversion", "models/garden.report.html"), ("suite", "suite.html")):
            page.goto((folder / file).as_uri())
            _take(page, name, 760)


if __name__ == "__main__":
    main()
