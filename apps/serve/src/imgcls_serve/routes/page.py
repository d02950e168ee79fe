"""`/` and `/docs`: pages that need nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, HTTPException, Response

from imgcls_serve.routes.dependencies import ServiceDep

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ASSETS: Final = frozenset({"docs.css", "docs.js", "icon.svg", "page.css", "page.js"})

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def page(service: ServiceDep) -> Response:
    """Shows the page to drop an image on; it looks at an image's size before it sends it."""
    body = _read("index.html").replace(b"{max_image_bytes}", str(service.settings.max_image_bytes).encode())
    return _page(body, "html")


@router.get("/docs")
async def docs() -> Response:
    """Shows the routes."""
    return _file("docs.html")


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Gives the pages' styles and scripts."""
    if name not in _ASSETS:
        raise HTTPException(404)
    return _file(name)


def _file(name: str) -> Response:
    return _page(_read(name), name.rpartition(".")[2])


def _page(body: bytes, kind: str) -> Response:
    return Response(body, headers=SECURITY_HEADERS | {"Content-Type": _MEDIA_TYPES[kind]})


@cache
def _read(name: str) -> bytes:
    return files("imgcls_serve").joinpath("page", name).read_bytes()
