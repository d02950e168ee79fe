"""What the answers of a deployment mean: the contract's replies as values, everything else as an error."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, cast

import msgspec
from imgcls_contract import (
    BatchReply,
    FailedImage,
    GoldenReply,
    Prediction,
    ReadyReply,
    TimingMs,
    classes_html,
    decode_batch,
)
from imgcls_contract.classification import decoder_of

from imgcls_sdk.errors import (
    AccessDeniedError,
    DeadlineExceededError,
    ImageRefusedError,
    NotFoundError,
    ParameterRefusedError,
    RefusedError,
    ServiceFaultError,
    UnavailableError,
    UnexpectedAnswerError,
)

_Reply = TypeVar("_Reply")

REFUSALS: dict[int, type[RefusedError]] = {
    400: ImageRefusedError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: NotFoundError,
    413: ImageRefusedError,
    415: ImageRefusedError,
    422: ParameterRefusedError,
    502: UnavailableError,
    503: UnavailableError,
    504: DeadlineExceededError,
}


# Without a problem's code these come from another server: ours says which route or method it lacks.
_FOREIGN = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP response; header names are in lower case.

    Attributes:
        call_ms: from sending to the last byte of the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    call_ms: float

    @property
    def request_id(self) -> str | None:
        """The id under which the service logged the call."""
        return self.headers.get("x-request-id")


class TimedPrediction(Prediction, frozen=True, kw_only=True):
    """The answer for one image and what the caller waited for it, network included, retries not, in milliseconds."""

    call_ms: float = 0.0

    def _repr_html_(self) -> str:
        """Shows the classes as bars, for notebooks."""
        return classes_html(self.top, f"{self.model.name}, {self.call_ms:.1f} ms, request {self.request_id}")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service takes work, and why not."""

    ready: bool
    reason: str | None = None


def successful(answer: HttpAnswer) -> HttpAnswer:
    """Gives back an answer that is none of an error; raises its `RefusedError` otherwise."""
    if answer.status >= 400:
        raise refusal(answer)
    return answer


def read(answer: HttpAnswer, reply: type[_Reply], *, decode: Callable[[bytes], _Reply] | None = None) -> _Reply:
    """Gives a successful answer as one of the contract's replies.

    Args:
        answer: the service's.
        reply: which reply it should be.
        decode: instead of decoding the body as JSON of that type.

    Raises:
        UnexpectedAnswerError: the answer is not JSON, or not such a reply.
    """
    try:
        if not 200 <= answer.status < 300:
            raise msgspec.ValidationError("an answer comes with a status from 200 to 299")
        return cast("_Reply", (decode or decoder_of(reply).decode)(answer.body))
    except (msgspec.ValidationError, binascii.Error) as error:
        what = str(error)
    except RecursionError:
        what = "its JSON is nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = answer.headers.get("content-type") or "without a content type"
        whose = f" from {server!r}" if (server := answer.headers.get("server")) else ""
        what = f"the answer should be JSON and is {found}{whose}, {len(answer.body)} bytes"
    raise UnexpectedAnswerError(
        f"The service answered {answer.status}, but {what}.", status=answer.status, request_id=answer.request_id
    )


def read_prediction(answer: HttpAnswer) -> TimedPrediction:
    """Gives the answer for one image; fails as `read` does."""
    return msgspec.structs.replace(read(answer, TimedPrediction), call_ms=answer.call_ms)


def read_batch(answer: HttpAnswer, asked: int) -> list[TimedPrediction | RefusedError]:
    """Gives the answers for several images, each with what the whole request shares.

    Args:
        answer: the service's.
        asked: how many images were sent; as many results must come.

    Raises:
        UnexpectedAnswerError: it is something else, or has another number of results.
    """
    reply = read(answer, BatchReply, decode=decode_batch)
    if len(reply.results) != asked:
        what = f"The service answered {len(reply.results)} results for {asked} images."
        raise UnexpectedAnswerError(what, status=answer.status, request_id=answer.request_id)
    shared: dict[str, Any] = {"model": reply.model, "request_id": reply.request_id, "call_ms": answer.call_ms}
    results: list[TimedPrediction | RefusedError] = []
    for one in reply.results:
        if isinstance(one, FailedImage):
            fault = one.error
            results.append(_error_of(fault.status, fault.code, fault.detail, reply.request_id))
        else:
            timing = TimingMs(**msgspec.structs.asdict(one.timing_ms), total=reply.total_ms)
            fields: dict[str, Any] = msgspec.structs.asdict(one) | shared
            fields["timing_ms"] = timing
            results.append(TimedPrediction(**fields))
    return results


def read_golden(answer: HttpAnswer) -> GoldenReply:
    """Gives the golden cases, whose images are then known to be base64; fails as `read` does."""

    def decode(body: bytes) -> GoldenReply:
        reply: GoldenReply = decoder_of(GoldenReply).decode(body)
        for case in reply.cases:
            try:
                case.image  # noqa: B018 - decodes it
            except binascii.Error as error:
                raise binascii.Error(f"the image of golden case {case.name!r} is not base64: {error}") from error
        return reply

    return read(answer, GoldenReply, decode=decode)


def read_readiness(answer: HttpAnswer) -> Readiness:
    """Gives the answer of `GET /ready`; a 503 is an answer here, not an error.

    Raises:
        RefusedError: something other than 503.
    """
    if answer.status < 400:
        read(answer, ReadyReply)
        return Readiness(ready=True)
    problem = refusal(answer)
    if isinstance(problem, UnavailableError):
        return Readiness(ready=False, reason=problem.detail)
    raise problem


def refusal(answer: HttpAnswer) -> RefusedError:
    """Gives the error to raise for an answer with an error status; a body that is no problem document does too."""
    # Routers before a service have documents of their own, so nothing is asked of this one.
    try:
        problem = msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = {}
    code, request_id = problem.get("code"), answer.request_id or problem.get("request_id")
    detail = problem.get("detail") or problem.get("title") or problem.get("message")
    if not code and answer.status in _FOREIGN:
        whose = f" ({server})" if (server := answer.headers.get("server")) else ""
        detail = (
            f"{detail or HTTPStatus(answer.status).phrase}; what answers at this address{whose} is no imgcls service: "
            "name another with --url or IMGCLS_URL"
        )
    # In its form of seconds; the form with a date is not used between services.
    asked = answer.headers.get("retry-after", "")
    error = _error_of(answer.status, code, detail, request_id)
    error.retry_after_s = float(asked) if asked.isdigit() else None
    return error


def _error_of(status: int, code: object, detail: object, request_id: object) -> RefusedError:
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "no reason given"
    kind = REFUSALS.get(status, ServiceFaultError if status >= 500 else RefusedError)
    return kind(
        status=status,
        code=str(code or f"http_{status}"),
        detail=str(detail or phrase),
        request_id=str(request_id) if request_id else None,
    )
