"""The calls of the HTTP contract and what their answers mean. Sends nothing: both clients do that."""

import base64
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, TypeVar

from imgcls_client.errors import (
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
from imgcls_client.json_fields import FieldError, as_object

__all__ = [
    "REFUSALS",
    "Answer",
    "Call",
    "SentAs",
    "batch_call",
    "predict_call",
    "problem_error",
    "read_answer",
    "refusal",
]

SentAs = Literal["raw", "multipart", "base64"]
Reply = TypeVar("Reply")

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

# The first bytes that name a format; anything else goes as octet-stream and the service looks for itself.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, independent of how it is sent."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response; header names are in lower case.

    Attributes:
        call_ms: From sending to the last byte of the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    call_ms: float

    @property
    def request_id(self) -> str | None:
        """The id under which the service logged the call."""
        return self.headers.get("x-request-id")


def media_type_of(image: bytes) -> str:
    """Name the media type of an encoded picture by its first bytes."""
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return next((media for start, media in SIGNATURES if image.startswith(start)), "application/octet-stream")


def multipart_body(images: Iterable[tuple[str, str, bytes]]) -> tuple[str, bytes]:
    """Encode pictures as a form in which each is a field `file`: its Content-Type header and the body.

    Args:
        images: File name, media type and bytes of each.
    """
    boundary = secrets.token_hex(16)
    body = bytearray()
    for file_name, media_type, image in images:
        # RFC 7578: names outside ASCII go as UTF-8; quotes and line ends are percent-encoded as browsers do.
        name = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        body += head.encode() + image + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(body)


def predict_call(
    image: bytes,
    *,
    top_k: int | None = None,
    probabilities: bool = False,
    model: str | None = None,
    deadline_ms: int | None = None,
    sent_as: SentAs = "raw",
    file_name: str = "image",
    media_type: str | None = None,
) -> Call:
    """Build `POST /predict` for one encoded picture.

    Args:
        image: The file's bytes.
        top_k: How many classes to answer with (the service's default is 5).
        probabilities: Ask for the whole vector too.
        model: Name of a model other than the default one.
        deadline_ms: After this many milliseconds the service may drop the work.
        sent_as: Which of the three forms of the contract carries the picture.
        file_name: Name of the file in the multipart form.
        media_type: Overrides the type found by the first bytes.
    """
    params = predict_params(top_k, probabilities=probabilities, model=model)
    media_type = media_type or media_type_of(image)
    if sent_as == "raw":
        content_type, body = media_type, image
    elif sent_as == "multipart":
        content_type, body = multipart_body([(file_name, media_type, image)])
    else:
        content_type = "application/json"
        body = json.dumps({"image_base64": base64.b64encode(image).decode("ascii")}).encode()
    headers = {"content-type": content_type}
    if deadline_ms is not None:
        headers["x-request-timeout-ms"] = str(deadline_ms)
    return Call("POST", "/predict", params=params, headers=headers, body=body)


def predict_params(top_k: int | None, *, probabilities: bool, model: str | None) -> dict[str, str]:
    """Give the query of a prediction."""
    asked = {
        "top_k": None if top_k is None else str(top_k),
        "probabilities": "true" if probabilities else None,
        "model": model,
    }
    return {name: value for name, value in asked.items() if value is not None}


def batch_call(
    images: Iterable[bytes], *, top_k: int | None = None, probabilities: bool = False, model: str | None = None
) -> Call:
    """Build `POST /predict/batch`: a form with a field `file` for each picture, in order."""
    named = [(f"image-{number}", media_type_of(image), image) for number, image in enumerate(images)]
    content_type, body = multipart_body(named)
    params = predict_params(top_k, probabilities=probabilities, model=model)
    return Call("POST", "/predict/batch", params=params, headers={"content-type": content_type}, body=body)


def json_document(answer: Answer) -> dict[str, object]:
    """Parse an answer's body as a JSON object.

    Raises:
        FieldError: It is not JSON, or not an object.
    """
    try:
        return as_object(json.loads(answer.body), "the answer")
    except ValueError as error:
        if isinstance(error, FieldError):
            raise
        found = answer.headers.get("content-type") or "no content type"
        raise FieldError(f"the answer should be JSON and is {found}, {len(answer.body)} bytes") from error


def read_answer(answer: Answer, read: Callable[[dict[str, object]], Reply]) -> Reply:
    """Turn a successful answer into a value.

    Raises:
        UnexpectedAnswerError: The answer is not JSON or lacks what the contract promises.
    """
    try:
        return read(json_document(answer))
    except FieldError as error:
        raise UnexpectedAnswerError(
            f"The service answered {answer.status}, but {error}.", status=answer.status, request_id=answer.request_id
        ) from error


def retry_after_s(answer: Answer) -> float | None:
    """Read `Retry-After` in its form of seconds; the form with a date is not used between services."""
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else None


def refusal(answer: Answer) -> RefusedError:
    """Turn an answer with an error status into the error to raise."""
    try:
        problem = json_document(answer)
    except FieldError:
        problem = {}
    return problem_error(
        problem, status=answer.status, request_id=answer.request_id, retry_after_s=retry_after_s(answer)
    )


def problem_error(
    problem: Mapping[str, object], *, status: int, request_id: str | None = None, retry_after_s: float | None = None
) -> RefusedError:
    """Turn a problem document into the error to raise; one that is empty or of another kind does too."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "no reason given"
    kind = REFUSALS.get(status, ServiceFaultError if status >= 500 else RefusedError)
    return kind(
        status=status,
        code=str(problem.get("code") or f"http_{status}"),
        detail=str(problem.get("detail") or problem.get("title") or problem.get("message") or phrase),
        request_id=request_id or (str(problem["request_id"]) if problem.get("request_id") else None),
        retry_after_s=retry_after_s,
    )
