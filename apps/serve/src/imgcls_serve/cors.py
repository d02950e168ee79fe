"""Pages of other origins that may call the service from a browser."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from imgcls_contract import PROBLEM_MEDIA_TYPE
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from imgcls_serve.http.problems import refusal


class _Cors(CORSMiddleware):
    """Tells browsers which other pages may read answers; refuses as the service refuses everything."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answers what a browser asks before it sends a request of another page."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        detail = "Pages of this origin may not send this request here (`IMGCLS_CORS_ORIGINS`)."
        problem, body = refusal("bad_request", detail)
        return Response(body, problem.status, media_type=PROBLEM_MEDIA_TYPE, headers={"Vary": "Origin"})


def with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Lets pages of these origins call the application from a browser; without any it is left as it is."""
    if not origins:
        return app
    return _Cors(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("*",),
        expose_headers=("ETag", "Inference-Header-Content-Length", "Retry-After", "X-Request-Id"),
    )
