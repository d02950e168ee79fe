"""The calls of the HTTP contract, as values. Sends nothing: both clients do that."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict, Unpack

from imgcls_client.errors import ImageSourceError

SentAs = Literal["raw", "multipart", "base64"]
ImageInput = bytes | str | Path | BinaryIO


class BatchOptions(TypedDict, total=False):
    """What can be asked beside the class.

    Attributes:
        top_k: how many classes to answer with (the service's default is 5).
        probabilities: ask for the whole vector too.
        model: name of a model other than the default one.
    """

    top_k: int | None
    probabilities: bool
    model: str | None


class PredictOptions(BatchOptions, total=False):
    """What can be asked of a single image, besides.

    Attributes:
        deadline_ms: after this many milliseconds the service may drop the work.
        sent_as: which of the three forms of the contract carries the image.
    """

    deadline_ms: int | None
    sent_as: SentAs


# The first bytes that name a format; anything else goes as octet-stream and the service looks for itself.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
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


HEALTH = Call("GET", "/health")
READY = Call("GET", "/ready")
MODELS = Call("GET", "/models")
OPENAPI = Call("GET", "/openapi.json")


def golden_call(model: str | None = None) -> Call:
    """Builds `GET /golden` for a model, or for the default one."""
    return Call("GET", "/golden", params={} if model is None else {"model": model})


def read_image(image: ImageInput) -> bytes:
    """Gives the bytes of an image.

    Raises:
        ImageSourceError: the file cannot be read.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageSourceError(str(image), error.strerror or str(error)) from error
    return image.read()


def media_type_of(image: bytes) -> str:
    """Names the media type of an encoded image by its first bytes."""
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return next((media for start, media in _SIGNATURES if image.startswith(start)), "application/octet-stream")


def _multipart_body(images: Iterable[tuple[str, str, bytes]]) -> tuple[str, bytes]:
    """Encodes images as a form in which each is a field `file`: its Content-Type header and the body.

    Args:
        images: file name, media type and bytes of each.
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
    deadline_ms: int | None = None,
    sent_as: SentAs = "raw",
    file_name: str = "image",
    media_type: str | None = None,
    **asked: Unpack[BatchOptions],
) -> Call:
    """Builds `POST /predict` for one encoded image; see `PredictOptions`.

    Args:
        image: the file's bytes.
        deadline_ms: after this many milliseconds the service may drop the work.
        sent_as: which of the three forms of the contract carries the image.
        file_name: name of the file in the multipart form.
        media_type: overrides the type found by the first bytes.
        asked: what is asked beside the class.
    """
    media_type = media_type or media_type_of(image)
    if sent_as == "raw":
        content_type, body = media_type, image
    elif sent_as == "multipart":
        content_type, body = _multipart_body([(file_name, media_type, image)])
    else:
        content_type = "application/json"
        body = json.dumps({"image_base64": base64.b64encode(image).decode("ascii")}).encode()
    headers = {"content-type": content_type}
    if deadline_ms is not None:
        headers["x-request-timeout-ms"] = str(deadline_ms)
    return Call("POST", "/predict", params=_query(asked), headers=headers, body=body)


def batch_call(images: Iterable[bytes], **asked: Unpack[BatchOptions]) -> Call:
    """Builds `POST /predict/batch`: a form with a field `file` for each image, in order."""
    named = [(f"image-{number}", media_type_of(image), image) for number, image in enumerate(images)]
    content_type, body = _multipart_body(named)
    headers = {"content-type": content_type}
    return Call("POST", "/predict/batch", params=_query(asked), headers=headers, body=body)


def _query(asked: BatchOptions) -> dict[str, str]:
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    return {name: "true" if value is True else str(value) for name, value in given.items()}
