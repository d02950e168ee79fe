"""Calls of the Open Inference Protocol v2: images as tensors, in JSON or with the binary extension."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec
from imgcls_contract.classification import decoder_of

from imgcls_sdk.answers import HttpAnswer, read
from imgcls_sdk.calls import Call, post_json

_BINARY_JSON_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class RgbPixels:
    """An image that is decoded: RGB, 8 bits, row by row."""

    width: int
    height: int
    rgb: bytes


class _Output(msgspec.Struct):
    shape: list[int]
    data: list[float] | None = None


class _Reply(msgspec.Struct):
    outputs: list[_Output]


def encoded_infer_call(images: Sequence[bytes], model: str, *, is_binary: bool) -> Call:
    """Builds `POST /v2/models/{model}/infer` with encoded images."""
    tensor: dict[str, object] = {"name": "encoded_images", "datatype": "BYTES", "shape": [len(images)]}
    packed = b"".join(struct.pack("<I", len(image)) + image for image in images)
    return _call(tensor, packed if is_binary else [base64.b64encode(image).decode() for image in images], model)


def pixels_infer_call(images: Sequence[RgbPixels], model: str, *, is_binary: bool) -> Call:
    """Builds `POST /v2/models/{model}/infer` with decoded images, all of one size."""
    shape = [len(images), images[0].height, images[0].width, 3]
    tensor: dict[str, object] = {"name": "images", "datatype": "UINT8", "shape": shape}
    packed = b"".join(image.rgb for image in images)
    return _call(tensor, packed if is_binary else list(packed), model)


def _call(tensor: dict[str, object], data: bytes | list[str] | list[int], model: str) -> Call:
    path = f"/v2/models/{quote(model, safe='')}/infer"
    if not isinstance(data, bytes):
        return post_json(path, {"inputs": [{**tensor, "data": data}]})
    request = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]}
    head = json.dumps({**request, "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", _BINARY_JSON_LENGTH: str(len(head))}
    return Call("POST", path, headers=headers, body=head + data)


def read_probabilities(answer: HttpAnswer) -> list[list[float]]:
    """Gives the whole vector of each image.

    Raises:
        UnexpectedAnswerError: the answer is something else.
    """
    return read(answer, list[list[float]], decode=lambda body: _decode(body, answer.headers.get(_BINARY_JSON_LENGTH)))


def _decode(body: bytes, json_length: str | None) -> list[list[float]]:
    length = len(body) if json_length is None else int(json_length) if json_length.isdecimal() else 0
    reply: _Reply = decoder_of(_Reply).decode(body[:length])
    if len(reply.outputs) != 1 or len(reply.outputs[0].shape) != 2:
        raise msgspec.ValidationError("it should have one output [images, classes] - at `$.outputs`")
    images, classes = reply.outputs[0].shape
    packed = body[length:]
    values = reply.outputs[0].data
    if values is None and len(packed) == 4 * images * classes:
        values = list(struct.unpack(f"<{images * classes}f", packed))
    if values is None or len(values) != images * classes:
        raise msgspec.ValidationError(f"its output has not the {images} × {classes} values that it says")
    return [values[start : start + classes] for start in range(0, len(values), classes)]
