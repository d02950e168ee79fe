"""A request's body: read under limits, and taken apart by media type."""

from __future__ import annotations

import asyncio
import binascii
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import Request
from starlette.types import Receive

from imgcls_serve.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CallerGoneError,
    DeadlinePassedError,
    InvalidBase64Error,
    InvalidParameterError,
    QueueFullError,
    UnsupportedMediaTypeError,
    UrlRefusedError,
)
from imgcls_serve.http.incoming_body import BODY, IncomingBody
from imgcls_serve.http.request_context import RequestContext
from imgcls_serve.http.requests import PredictJson, parse_json

ALLOWED_MEDIA_TYPES: Final = "`image/*`, `application/octet-stream`, `multipart/form-data`, `application/json`"

# Boundaries and part headers of a form, quotes and keys of a JSON document.
_ENVELOPE_BYTES: Final = 65_536

_MAX_FORM_PARTS: Final = 16

# A boundary has at most 70 characters.
_MAX_SNIFFED: Final = 256

# Decoding it takes the event loop about a millisecond.
_LARGE_TEXT: Final = 1_000_000


# What curl calls a body when it is told nothing.
_UNNAMED: Final = frozenset({"", "*/*", "application/x-www-form-urlencoded"})


def media_type_of(context: RequestContext) -> tuple[str, dict[bytes, bytes]]:
    """Gives the body's media type in lower case and its parameters; nothing where its sender does not know it."""
    header = context.headers.get(b"content-type", b"")
    kind, options = parse_options_header(header) if b";" in header else (header, {})
    media_type = kind.decode("latin-1").strip().lower()
    return ("", {}) if media_type in _UNNAMED else (media_type, options)


def sniffed(body: bytes) -> tuple[str, dict[bytes, bytes]]:
    """Tells by its beginning what a body is whose media type is missing: JSON, a form, or else an image."""
    start = body[:_MAX_SNIFFED].lstrip()
    if start.startswith(b"{"):
        return "application/json", {}
    boundary, end, _ = start.partition(b"\r\n")
    if boundary.startswith(b"--") and end:
        return "multipart/form-data", {b"boundary": boundary[2:]}
    return "application/octet-stream", {}


async def read_body(request: Request, context: RequestContext, *, limit: int) -> bytes:
    """Reads the body.

    Args:
        request: nothing of its body may have been read.
        context: the same; a sender that is slower than its deadline is cut off.
        limit: most bytes; more are refused as soon as they are announced or have arrived.

    Raises:
        BodyTooLargeError: more than `limit` bytes.
        BodyTooSlowError: the body did not arrive before the request's deadline.
        QueueFullError: the bodies of all requests together are too large.
        CallerGoneError: the caller hung up.
    """
    announced = context.headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLargeError(limit=limit)
    incoming: IncomingBody | None = request.scope.get(BODY)
    if incoming is not None and (whole := incoming.take_whole()) is not None:
        if len(whole) > limit:
            raise BodyTooLargeError(limit=limit)
        context.service.bodies.hold(context, len(whole))
        return whole
    gave_way = False
    try:
        async with asyncio.timeout_at(context.deadline.at_s) as clock:

            def give_way() -> None:
                nonlocal gave_way
                gave_way, context.give_way = True, None
                clock.reschedule(0)

            context.give_way = give_way
            return await _read_parts(context, request.receive, limit)
    except TimeoutError:
        if gave_way:
            raise QueueFullError("the bodies in flight are too large, most of them yours", retry_after_s=1) from None
        raise BodyTooSlowError(context.deadline.timeout_ms) from None
    finally:
        context.give_way = None


async def _read_parts(context: RequestContext, receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        parts.append(part := message.get("body", b""))
        if context.held_bytes + len(part) > limit:
            raise BodyTooLargeError(limit=limit)
        context.service.bodies.hold(context, len(part))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def envelope_limit(media_type: str, *, max_image_bytes: int, images: int = 1) -> int:
    """Gives the most bytes of a body that carries so many images of the largest size.

    Raises:
        UnsupportedMediaTypeError: no image can be sent that way.
    """
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return max_image_bytes
    if media_type == "multipart/form-data":
        return images * (max_image_bytes + _ENVELOPE_BYTES)
    if media_type in {"application/json", ""}:
        return images * (max_image_bytes * 4 // 3 + _ENVELOPE_BYTES)
    raise UnsupportedMediaTypeError(media_type, allowed=ALLOWED_MEDIA_TYPES)


def decode_base64(text: str, *, field_name: str) -> bytes:
    """Decodes strict base64, also that of a data URI.

    Raises:
        InvalidBase64Error: anything else.
    """
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidBase64Error(field_name)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise InvalidBase64Error(field_name) from None


def parse_form(body: bytes, options: dict[bytes, bytes], *, max_parts: int) -> list[tuple[str, bytes]]:
    """Takes a multipart form apart into the names and contents of its parts.

    Args:
        body: the whole form.
        options: parameters of its media type, for the boundary.
        max_parts: most parts.

    Raises:
        InvalidParameterError: the form is broken, or has too many parts.
    """
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidParameterError("The media type multipart/form-data lacks its `boundary`.")
    parts: list[tuple[str, bytes]] = []
    ends: list[bool] = []

    def take(part: Field | File) -> None:
        if len(parts) == max_parts:
            raise InvalidParameterError(f"The multipart form has more than {max_parts} parts.")
        if isinstance(part, File):
            part.file_object.seek(0)
        content = part.file_object.read() if isinstance(part, File) else part.value or b""
        parts.append(((part.field_name or b"").decode("utf-8", "replace"), content))

    try:
        # Nothing of a form goes to the disk: its body is in memory already, under the limits of `read_body`.
        parser = FormParser(
            "multipart/form-data",
            take,
            take,
            lambda: ends.append(True),
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidParameterError(f"The multipart form is broken: {error}.") from None
    if not ends:
        raise InvalidParameterError("The multipart form is broken: its closing boundary is missing.")
    return parts


async def read_image(request: Request, context: RequestContext) -> bytes:
    """Reads the one image of a request: raw, as the form's field `file`, or in JSON.

    Raises:
        ServiceError: see `read_body`; or there is no image in the body.
    """
    media_type, options = media_type_of(context)
    limit = envelope_limit(media_type, max_image_bytes=context.service.settings.max_image_bytes)
    body = await read_body(request, context, limit=limit)
    if not media_type:
        media_type, options = sniffed(body)
    if media_type == "multipart/form-data":
        return _file_of(parse_form(body, options, max_parts=_MAX_FORM_PARTS))
    if media_type == "application/json":
        return await image_in_json(context, await parse_json(body, PredictJson))
    return body


async def image_in_json(context: RequestContext, entry: PredictJson) -> bytes:
    """Gives the image that a JSON document carries or names.

    Raises:
        InvalidBase64Error: it is not base64.
        ServiceError: its URL is not fetched or gives no image.
    """
    if entry.image_url is not None:
        return await _fetch(context, entry.image_url)
    text = entry.image_base64 or ""
    if len(text) > _LARGE_TEXT:
        return await asyncio.to_thread(decode_base64, text, field_name="image_base64")
    return decode_base64(text, field_name="image_base64")


async def _fetch(context: RequestContext, url: str) -> bytes:
    if context.urls is None:
        raise UrlRefusedError("this service fetches no URLs (`IMGCLS_ALLOW_URLS`)")
    left_s = context.deadline.at_s - asyncio.get_running_loop().time()
    if left_s <= 0:
        raise DeadlinePassedError(context.deadline.timeout_ms)
    return await context.urls.fetch(url, timeout_s=min(left_s, context.service.settings.url_timeout_ms / 1000))


def _file_of(parts: list[tuple[str, bytes]]) -> bytes:
    for name, content in parts:
        if name == "file":
            return content
    found = ", ".join(repr(name) for name, _ in parts) or "none"
    raise InvalidParameterError(f"The form has no field `file` (found: {found}). Send the image as `file`.")
