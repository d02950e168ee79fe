"""A request's body: kept as its connection receives it, read under limits, and taken apart by media type."""

from __future__ import annotations

import asyncio
import binascii
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import Request
from starlette.types import Message, Receive
from uvicorn.protocols.http.flow_control import FlowControl

from imgcls_serve.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CallerGoneError,
    InvalidBase64Error,
    InvalidParameterError,
    UnsupportedMediaTypeError,
)
from imgcls_serve.http.request_context import RequestContext
from imgcls_serve.http.requests import PredictJson, parse_json

# Key of the ASGI scope under which a request finds its `IncomingBody`.
BODY: Final = "imgcls.body"

# More waits in the socket until somebody reads. The event loop reads this much at a time.
_MAX_UNREAD_BYTES: Final = 262_144

ALLOWED_MEDIA_TYPES: Final = "`image/*`, `application/octet-stream`, `multipart/form-data`, `application/json`"

# Boundaries and part headers of a form, quotes and keys of a JSON document.
_ENVELOPE_BYTES: Final = 65_536

_MAX_FORM_PARTS: Final = 16


class IncomingBody:
    """Holds what has come and was not yet read: chunks are kept as they come and joined once.

    uvicorn appends each chunk to a buffer, copies the buffer for the application, and stops reading from the socket
    above 64 KB: for a photo that is 0.3 MB of copies and two system calls.

    Args:
        flow: stops the connection's reading while too much is unread.
    """

    def __init__(self, flow: FlowControl) -> None:
        self._flow = flow
        self._chunks: list[bytes] = []
        self._unread_bytes = 0
        self._is_whole = False
        self._is_read = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def add(self, chunk: bytes) -> None:
        """A part of the body has come."""
        self._chunks.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    def lose(self) -> None:
        """The caller has hung up."""
        self._is_lost = True
        self._wake()

    def take_whole(self) -> bytes | None:
        """Gives the body if all of it has come and none was read; else None, and `receive` gives it."""
        if not self._is_whole or self._is_read:
            return None
        self._is_read = True
        return self._take()

    async def receive(self, rest: Receive) -> Message:
        """Gives the next part, as ASGI's `receive`; waits for it.

        Args:
            rest: is asked for what follows the body.
        """
        if self._is_read:
            return await rest()
        self._flow.resume_reading()
        while not (self._chunks or self._is_whole or self._is_lost):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._is_lost:
            return {"type": "http.disconnect"}
        self._is_read = self._is_whole
        return {"type": "http.request", "body": self._take(), "more_body": not self._is_whole}

    def _take(self) -> bytes:
        chunks, self._chunks, self._unread_bytes = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def media_type_of(context: RequestContext) -> tuple[str, dict[bytes, bytes]]:
    """Gives the body's media type in lower case and its parameters; no header means bytes."""
    header = context.headers.get(b"content-type") or b"application/octet-stream"
    kind, options = parse_options_header(header) if b";" in header else (header, {})
    return kind.decode("latin-1").strip().lower(), options


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
        context.hold(len(whole))
        return whole
    try:
        async with asyncio.timeout_at(context.deadline.at_s):
            return await _read_parts(context, request.receive, limit)
    except TimeoutError:
        raise BodyTooSlowError(context.deadline.timeout_ms) from None


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
        context.hold(len(part))
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
    if media_type == "application/json":
        return images * (max_image_bytes * 4 // 3 + _ENVELOPE_BYTES)
    raise UnsupportedMediaTypeError(media_type, allowed=ALLOWED_MEDIA_TYPES)


def decode_base64(text: str, *, field_name: str) -> bytes:
    """Decodes strict base64.

    Raises:
        InvalidBase64Error: anything else.
    """
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
    if media_type == "multipart/form-data":
        return _file_of(parse_form(body, options, max_parts=_MAX_FORM_PARTS))
    if media_type == "application/json":
        return await image_in_json(context, parse_json(body, PredictJson))
    return body


async def image_in_json(context: RequestContext, entry: PredictJson) -> bytes:
    """Gives the image that a JSON document carries or names.

    Raises:
        InvalidBase64Error: it is not base64.
        ServiceError: its URL is not fetched or gives no image.
    """
    if entry.image_url is not None:
        return await context.fetch(entry.image_url)
    return decode_base64(entry.image_base64 or "", field_name="image_base64")


def _file_of(parts: list[tuple[str, bytes]]) -> bytes:
    for name, content in parts:
        if name == "file":
            return content
    found = ", ".join(repr(name) for name, _ in parts) or "none"
    raise InvalidParameterError(f"The form has no field `file` (found: {found}). Send the image as `file`.")
