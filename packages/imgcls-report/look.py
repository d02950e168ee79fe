"""Takes pictures of reports as readers meet them: wide and narrow, light and dark; says what does not fit.

    uv run python packages/imgcls-report/look.py *.html --to pictures [--axe axe.min.js]

Exit code 1 where a page is wider than its window, meets an address outside itself, or breaks a rule of axe-core.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls_cli.printable import echo
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

_WIDTHS_PX = (1280, 375)
_SCHEMES = ("light", "dark")
_HIGHEST_PX = 12_000  # of a picture
_TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > room) found.push(`the page, ${document.documentElement.scrollWidth} px`);
  for (const each of document.querySelectorAll("body *")) {
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > room + 1 || box.left < -1) && !each.closest(".wrap"))
      found.push(`${each.tagName} .${each.getAttribute("class")} "${(each.textContent || "").trim().slice(0, 40)}"`);
  }
  return found.slice(0, 5);
}"""
_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  rule => `${rule.id}: ${rule.nodes.length} × ${rule.nodes[0].html.slice(0, 160)}`)"""


def look(browser: Browser, file: Path, pictures: Path, axe: Path | None) -> list[str]:
    """Takes four pictures of a page and gives what is wrong with it."""
    wrong: list[str] = []
    for width in _WIDTHS_PX:
        for scheme in _SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=axe is not None
            )
            seen = context.new_page()
            asked: list[str] = []

            def note(request: Request, asked: list[str] = asked) -> None:
                asked.append(request.url)

            seen.on("request", note)
            seen.goto(file.resolve().as_uri())
            found = [f"asks {each}" for each in asked if each[:5] not in {"file:", "data:"}]
            found += seen.evaluate(_TOO_WIDE)
            if axe is not None:
                seen.evaluate(axe.read_text(encoding="utf-8"))
                found += seen.evaluate(_AXE)
            wrong += [f"{width} px, {scheme}: {each}" for each in found]
            height = min(seen.evaluate("document.documentElement.scrollHeight"), _HIGHEST_PX)
            seen.set_viewport_size({"width": width, "height": height})
            seen.screenshot(path=pictures / f"{file.stem}-{width}-{scheme}.png")
            context.close()
    return wrong


def main() -> int:
    """Looks at each page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--axe", type=Path, help="axe.min.js of the npm package axe-core")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    is_wrong = False
    with sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for file in asked.pages:
            wrong = look(browser, file, asked.to, asked.axe)
            echo(f"{file.name}: {file.stat().st_size / 1000:,.0f} kB, {len(wrong) or 'nothing'} wrong")
            for each in wrong:
                echo(f"  {each}")
            is_wrong |= bool(wrong)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
