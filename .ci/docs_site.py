"""Hooks of mkdocs.yml: pages that lie beside docs/ become pages of the site, and links between files hold there."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s#]+)(#[^)\s]*)?\)")
_MEMBERS = [*sorted(_ROOT.glob("apps/*/README.md")), *sorted(_ROOT.glob("packages/*/README.md"))]
# Page of the site → file of the repository.
_BESIDE = {
    "start.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "vulnerabilities.md": "SECURITY.md",
    "members/settings-of-serve.md": "apps/serve/SETTINGS.md",
} | {f"members/{path.parent.name}.md": path.relative_to(_ROOT).as_posix() for path in _MEMBERS}


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages that lie beside docs/."""
    for page, path in _BESIDE.items():
        files.append(File.generated(config, page, content=(_ROOT / path).read_text(encoding="utf-8")))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links at pages of the site, or at the repository that REPOSITORY_URL names; else keeps their text."""
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files} | {path: at for at, path in _BESIDE.items()}
    here = _BESIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    repository = os.environ.get("REPOSITORY_URL", "")

    def points(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        if path in pages:
            at = posixpath.relpath(pages[path], posixpath.dirname(page.file.src_uri) or ".")
            return f"{text}({at}{anchor})"
        if not (_ROOT / path).exists():
            return link[0]  # what mkdocs then says of it is better than what could be said here
        return f"{text}({repository}/blob/main/{path}{anchor})" if repository else text[1:-1]

    return _LINK.sub(points, markdown)
