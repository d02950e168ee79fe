"""The calls of the HTTP contract, as values. Sends nothing: both clients do that."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict, Unpack

import httpx

from imgcls_sdk.errors import ImageSourceError

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

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


HEALTH = Call("GET", "/health")
READY = Call("GET", "/ready")
MODELS = Call("GET", "/models")
OPENAPI = Call("GET", "/openapi.json")


def golden_call(model: str | None = None) -> Call:
    """Builds `GET /golden` for a model, or for the default one."""
    return Call("GET", "/golden", params={} if model is None else {"model": model})


def read_image(image: ImageInput) -> bytes:
    """Gives the bytes of an image; raises `ImageSourceError` if the file cannot be read."""
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


def post_json(path: str, document: object, *, params: Mapping[str, str] | None = None) -> Call:
    """Builds a `POST` of a JSON document."""
    headers = {"content-type": "application/json"}
    return Call("POST", path, params=params or {}, headers=headers, body=json.dumps(document).encode())


def _form(images: Iterable[tuple[str, str, bytes]]) -> tuple[str, bytes]:
    """Encodes images (file name, media type and bytes of each) as a form with a field `file` for each."""
    files = [("file", (file_name, image, media_type)) for file_name, media_type, image in images]
    form = httpx.Request("POST", "http://form", files=files)
    return form.headers.get("content-type", "multipart/form-data; boundary=none"), form.read()


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
    headers = {} if deadline_ms is None else {"x-request-timeout-ms": str(deadline_ms)}
    if sent_as == "base64":
        call = post_json("/predict", {"image_base64": base64.b64encode(image).decode()}, params=_query(asked))
        return replace(call, headers={**call.headers, **headers})
    content_type, body = (media_type, image) if sent_as == "raw" else _form([(file_name, media_type, image)])
    return Call("POST", "/predict", params=_query(asked), headers={"content-type": content_type, **headers}, body=body)


def batch_call(images: Iterable[bytes], **asked: Unpack[BatchOptions]) -> Call:
    """Builds `POST /predict/batch`: a form with a field `file` for each image, in order."""
    content_type, body = _form((f"image-{number}", media_type_of(image), image) for number, image in enumerate(images))
    return Call("POST", "/predict/batch", params=_query(asked), headers={"content-type": content_type}, body=body)


def _query(asked: BatchOptions) -> dict[str, str]:
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    return {name: "true" if value is True else str(value) for name, value in given.items()}
