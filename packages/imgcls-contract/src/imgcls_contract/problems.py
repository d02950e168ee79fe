"""The problem document (RFC 9457), and the table of every problem that a service tells."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
_TYPE_PREFIX: Final = "urn:imgcls:problem:"


class Problem(Struct, frozen=True):
    """One kind of problem.

    Attributes:
        code: stable; tells it from the others.
        status: of the HTTP answer.
        title: the same for every problem of its kind.
        meaning: one sentence for people who read the documentation of a route.
    """

    code: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """Gives the URN that the document carries."""
        return f"{_TYPE_PREFIX}{self.code}"


_ALL: Final = (
    Problem("bad_request", 400, "The request cannot be read", "Not a request that can be read."),
    Problem("image_undecodable", 400, "The image cannot be decoded", "Not an image, corrupt or truncated."),
    Problem("unauthorized", 401, "A key is needed", "No key."),
    Problem("forbidden", 403, "This key does not open this address", "A wrong key."),
    Problem("not_found", 404, "There is nothing at this address", "No such address."),
    Problem("unknown_model", 404, "There is no such model", "No such model."),
    Problem("method_not_allowed", 405, "This method is not allowed here", "Another method."),
    Problem("body_too_slow", 408, "The body is too slow", "The body did not arrive in time."),
    Problem("body_too_large", 413, "The body is too large", "Too many bytes."),
    Problem("image_too_costly", 413, "The image takes too much work", "Decoding the image exceeds its time or memory."),
    Problem("image_too_large", 413, "The image is too large", "Too many bytes or pixels in an image."),
    Problem("unsupported_media_type", 415, "This media type is not taken", "A media type that is not taken."),
    Problem("invalid_parameter", 422, "A parameter is wrong", "A wrong parameter."),
    Problem("invalid_base64", 422, "A field is not base64", "Bad base64."),
    Problem("url_refused", 422, "This URL is not fetched", "A URL that is not fetched."),
    Problem("url_failed", 422, "The URL cannot be fetched", "A URL that gives no image."),
    Problem("model_refused", 422, "The model cannot be served", "An artifact that cannot be served."),
    Problem("headers_too_large", 431, "The headers are too large", "Too many bytes of headers."),
    Problem("caller_gone", 499, "The caller hung up", "Nobody waits for the answer."),
    Problem("internal_error", 500, "The service failed", "A fault of the service."),
    Problem("queue_full", 503, "The service is full", "Full; `Retry-After` says when to come again."),
    Problem("not_ready", 503, "The service is not ready", "Not ready; `Retry-After` says when to come again."),
    Problem("model_loading", 503, "The model is being loaded", "Being loaded; `Retry-After` says when to come again."),
    Problem("deadline_exceeded", 504, "The deadline has passed", "The deadline passed."),
)

PROBLEMS: Final[dict[str, Problem]] = {problem.code: problem for problem in _ALL}


class ProblemDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Meta(description="Stable; tells one kind of problem from another.")]
    request_id: str
    error: Annotated[str | None, Meta(description="The detail again, under `/v2` alone: its clients read this.")] = None

    @classmethod
    def of(cls, problem: Problem, detail: str, request_id: str, *, error: str | None = None) -> ProblemDocument:
        """Gives the document of a problem.

        Args:
            problem: an entry of `PROBLEMS`, or one of its own where a framework knows only a status.
            detail: what is wrong with this request.
            request_id: for finding the request in the service's log.
            error: the detail again, for clients of the Open Inference Protocol.
        """
        return cls(
            type=problem.type,
            title=problem.title,
            status=problem.status,
            detail=detail,
            code=problem.code,
            request_id=request_id,
            error=error,
        )
