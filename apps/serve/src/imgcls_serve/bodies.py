"""Reads request bodies: bounded while they arrive, and taken apart by media type."""

from __future__ import annotations

import asyncio
import binascii
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from imgcls_serve.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CallerGoneError,
    InvalidBase64Error,
    InvalidParameterError,
    UnsupportedMediaTypeError,
)
from imgcls_serve.request_context import RequestContext

ALLOWED_MEDIA_TYPES: Final = "`image/*`, `application/octet-stream`, `multipart/form-data`, `application/json`"

_M = TypeVar("_M", bound=BaseModel)

# Boundaries and part headers of a form, quotes and keys of a JSON document.
_ENVELOPE_BYTES: Final = 65_536


@dataclass
class FormPart:
    """One part of a multipart form."""

    name: str = ""
    filename: str | None = None
    content: bytearray = field(default_factory=bytearray)


def media_type_of(context: RequestContext) -> tuple[str, dict[bytes, bytes]]:
    """Gives the body's media type in lower case and its parameters; no header means bytes."""
    header = context.headers.get(b"content-type") or b"application/octet-stream"
    kind, options = parse_options_header(header) if b";" in header else (header, {})
    return kind.decode("latin-1").strip().lower(), options


async def read_body(context: RequestContext, receive: Receive, *, limit: int) -> bytes:
    """Reads the body.

    Args:
        context: the request; a sender that is slower than its deadline is cut off.
        receive: of ASGI; nothing of the body may have been read.
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
    if context.body is not None and (whole := context.body.take_whole()) is not None:
        if len(whole) > limit:
            raise BodyTooLargeError(limit=limit)
        context.hold(len(whole))
        return whole
    try:
        async with asyncio.timeout_at(context.deadline.at_s):
            return await _read_parts(context, receive, limit)
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


def parse_json(body: bytes, model: type[_M]) -> _M:
    """Reads a JSON document.

    Raises:
        InvalidParameterError: not JSON, or not of this shape; names the first wrong field.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InvalidParameterError(
            f"The JSON body is wrong{f' at `{place}`' if place else ''}: {fault['msg']}."
        ) from None


def decode_base64(text: str, *, field_name: str) -> bytes:
    """Decodes strict base64.

    Raises:
        InvalidBase64Error: anything else.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise InvalidBase64Error(field_name) from None


def parse_form(body: bytes, options: dict[bytes, bytes], *, max_parts: int) -> list[FormPart]:
    """Takes a multipart form apart.

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
    collector = _FormCollector(max_parts)
    try:
        parser = MultipartParser(boundary, collector.callbacks())  # pyright: ignore[reportArgumentType]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidParameterError(f"The multipart form is broken: {error}.") from None
    if not collector.is_complete:
        raise InvalidParameterError("The multipart form is broken: its closing boundary is missing.")
    return collector.parts


class _FormCollector:
    """Receives the parser's callbacks."""

    def __init__(self, max_parts: int) -> None:
        self.parts: list[FormPart] = []
        self.is_complete = False
        self._max_parts = max_parts
        self._header = bytearray()
        self._value = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin_part,
            "on_part_data": self._add_content,
            "on_header_field": self._add_header,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        if len(self.parts) == self._max_parts:
            raise InvalidParameterError(f"The multipart form has more than {self._max_parts} parts.")
        self.parts.append(FormPart())

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += data[start:end]

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            part = self.parts[-1]
            part.name = options.get(b"name", b"").decode("utf-8", "replace")
            filename = options.get(b"filename")
            part.filename = filename.decode("utf-8", "replace") if filename is not None else None
        self._header.clear()
        self._value.clear()

    def _end(self) -> None:
        self.is_complete = True
