"""What a request may say besides its image: its head, its query, and documents in JSON."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, TypeVar

import msgspec
from imgcls_contract.classification import decoder_of
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from imgcls_serve.errors import InvalidParameterError

_T = TypeVar("_T", bound=msgspec.Struct)

# Reading it takes the event loop about a millisecond.
_LARGE_BYTES: Final = 262_144


class PredictQuery(BaseModel):
    """What may be asked of an answer."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=False)

    top_k: Annotated[
        int,
        Field(ge=1, description="How many classes to name, best first; the default is no more than the model has."),
    ] = 5
    probabilities: Annotated[bool, Field(description="Whether to give the probability of every class.")] = False
    model: Annotated[str | None, Field(description="Which model answers; the default one without it.")] = None


_DEFAULT_QUERY = PredictQuery()


class PredictJson(msgspec.Struct, frozen=True):
    """An image in JSON: itself, or where it is."""

    image_base64: Annotated[
        str | None, Meta(description="The encoded image (JPEG, PNG, WebP, BMP, GIF or TIFF); or this")
    ] = None
    image_url: Annotated[
        str | None, Meta(description="or this: an http or https URL, where `IMGCLS_ALLOW_URLS` is on.")
    ] = None

    def __post_init__(self) -> None:
        if (self.image_base64 is None) == (self.image_url is None):
            raise ValueError("either `image_base64` or `image_url` is needed")


class BatchJson(msgspec.Struct, frozen=True):
    """A request body with several images as JSON."""

    images: Annotated[list[PredictJson], Meta(min_length=1)]


async def parse_json(body: bytes, kind: type[_T], *, max_objects: int | None = None) -> _T:
    """Reads a JSON document, a large one on a thread.

    Args:
        body: the document.
        kind: its shape. Reading stops at the first value of another one; members that are not named are passed over.
        max_objects: how many objects it may have, where an array could repeat small ones without end.

    Raises:
        InvalidParameterError: not JSON, or not of this shape; names the first wrong field.
    """
    if len(body) > _LARGE_BYTES:
        return await asyncio.to_thread(read_json, body, kind, max_objects=max_objects)
    return read_json(body, kind, max_objects=max_objects)


def read_json(body: bytes, kind: type[_T], *, max_objects: int | None = None) -> _T:
    """Does what `parse_json` says, on this thread."""
    if max_objects is not None and (objects := body.count(b"{")) > max_objects:
        raise InvalidParameterError(f"The JSON body has {objects:,} objects; at most {max_objects:,} are allowed.")
    try:
        found: _T = decoder_of(kind).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason, _, place = str(error).partition(" - at `$")
        where = f" at `{place.rstrip('`').lstrip('.')}`" if place else ""
        raise InvalidParameterError(f"The JSON body is wrong{where}: {reason}.") from None
    except RecursionError:
        raise InvalidParameterError("The JSON body is wrong: it is nested too deeply.") from None
    return found


def read_query(request: Request) -> PredictQuery:
    """Reads what is asked of an answer.

    Raises:
        InvalidParameterError: names the parameters that are wrong.
    """
    if not request.scope["query_string"]:
        return _DEFAULT_QUERY
    try:
        return PredictQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise InvalidParameterError(" ".join(validation_sentence("query", fault) for fault in error.errors())) from None


def validation_sentence(kind: str, fault: ErrorDetails) -> str:
    """Says what is wrong with a parameter: its name, what was found, what is allowed."""
    name = ".".join(str(part) for part in fault["loc"])
    found = fault["input"]
    return f"`{name}`{f' is {found[:80]!r}' if isinstance(found, str) else ''}: {fault['msg']} ({kind})."


def head_fault(headers: list[tuple[bytes, bytes]], version: str, *, upgrades: bool) -> str | None:
    """Says why a proxy in front could read this request otherwise than we do; None where it could not.

    Args:
        headers: of the request.
        version: of HTTP, as in its first line.
        upgrades: whether the parser takes what follows the head for another protocol.
    """
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (not hosts and version != "1.0"):
        return f"The request has {hosts} `Host` headers; it needs one."
    encodings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if encodings not in ([], [b"chunked"]):
        return "The request has another `Transfer-Encoding` than `chunked`."
    has_body = bool(encodings) or any(name == b"content-length" and value.strip(b" 0") for name, value in headers)
    if upgrades and has_body:
        return "The request has a body and asks for another protocol (`Upgrade`). Send it without; curl: `--http1.1`."
    return None
