"""Tensors of the Open Inference Protocol v2, in JSON and in the binary extension; knows nothing of HTTP.

Source:
    https://github.com/kserve/open-inference-protocol (REST) and, for binary tensors and classification,
    https://github.com/triton-inference-server/server/tree/main/docs/protocol.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from imgcls_contract import ClassProbability
from msgspec import Meta
from msgspec.structs import replace
from numpy.typing import NDArray

from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.http.bodies import decode_base64
from imgcls_serve.http.requests import parse_json

PIXELS: Final[Literal["images"]] = "images"
ENCODED: Final = "encoded_images"
PROBABILITIES: Final[Literal["probabilities"]] = "probabilities"

# A tensor as JSON costs the event loop about 20 ms for each MB.
MAX_JSON_BYTES: Final = 4_194_304

# More than any limit of bytes or pixels: a number has a bound before it is calculated with.
_MOST: Final = 10_000_000_000
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_ABSENT: Final = b"null"
_Pixel = Annotated[int, Meta(ge=0, le=255)]


class TensorParameters(msgspec.Struct, frozen=True):
    """What the binary and the classification extension add to a tensor."""

    binary_data_size: Annotated[int, Meta(ge=0, le=_MOST)] | None = None
    binary_data: bool | None = None
    classification: Annotated[int, Meta(ge=0, le=_MOST)] = 0


class InputTensor(msgspec.Struct, frozen=True):
    """A tensor of a request: `images` UINT8 [N, H, W, 3] RGB, or `encoded_images` BYTES [N]."""

    name: Literal["images", "encoded_images"]
    shape: Annotated[list[Annotated[int, Meta(ge=1, le=_MOST)]], Meta(min_length=1, max_length=4)]
    datatype: Literal["UINT8", "BYTES"]
    parameters: TensorParameters = TensorParameters()
    data: Annotated[
        msgspec.Raw,
        Meta(
            description="Row by row; images in base64; absent if binary.",
            extra_json_schema={"type": ["array", "null"], "items": {}},
        ),
    ] = msgspec.field(default_factory=lambda: msgspec.Raw(_ABSENT))


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that the caller wants: `probabilities` FP32 [N, classes]."""

    name: Literal["probabilities"]
    parameters: TensorParameters = TensorParameters()


class InferParameters(msgspec.Struct, frozen=True):
    """Parameters of a whole request."""

    binary_data_output: bool = False


class InferJson(msgspec.Struct, frozen=True):
    """The JSON part of an inference request."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1, max_length=1)]
    id: str | None = None
    parameters: InferParameters = InferParameters()
    outputs: Annotated[list[RequestedOutput], Meta(max_length=1)] = []

    @property
    def output(self) -> RequestedOutput:
        """The output that is wanted, with the request's own choice of binary or JSON."""
        asked = self.outputs[0] if self.outputs else RequestedOutput(name=PROBABILITIES)
        if asked.parameters.binary_data is None:
            parameters = replace(asked.parameters, binary_data=self.parameters.binary_data_output)
            return replace(asked, parameters=parameters)
        return asked


async def parse_request(body: bytes, json_length: str | None) -> tuple[InferJson, memoryview]:
    """Splits a request into its JSON part and its binary tensors.

    Args:
        body: the whole body.
        json_length: the header `Inference-Header-Content-Length`; None means that all of it is JSON.

    Raises:
        InvalidParameterError: the length or the JSON is wrong.
    """
    length = len(body)
    if json_length is not None:
        if not _LENGTH.fullmatch(json_length) or int(json_length) > length:
            raise InvalidParameterError(
                f"`Inference-Header-Content-Length` is {json_length[:20]!r}; the body has {length} bytes."
            )
        length = int(json_length)
    if length > MAX_JSON_BYTES:
        raise InvalidParameterError(
            f"The JSON part has {length:,} bytes; at most {MAX_JSON_BYTES:,} are allowed. Send tensors as binary data."
        )
    return await parse_json(body[:length], InferJson), memoryview(body)[length:]


def images_of(request: InferJson, binary: memoryview, *, max_images: int) -> list[NDArray[np.uint8] | bytes]:
    """Gives the images of a request, each as RGB uint8 [H, W, 3] or encoded.

    Raises:
        InvalidParameterError: another name, type or shape, too many images, data that does not fit the shape.
        InvalidBase64Error: an encoded image in JSON is not base64.
    """
    tensor = request.inputs[0]
    expected = {PIXELS: "UINT8", ENCODED: "BYTES"}[tensor.name]
    if tensor.datatype != expected:
        raise InvalidParameterError(f"Input {tensor.name!r} has datatype {tensor.datatype!r}; it must be {expected!r}.")
    if tensor.shape[0] > max_images:
        raise InvalidParameterError(
            f"Input {tensor.name!r} has shape {tensor.shape}; 1 to {max_images} images are allowed."
        )
    size = tensor.parameters.binary_data_size
    if (size is None) == (bytes(tensor.data) == _ABSENT):
        raise InvalidParameterError(f"Input {tensor.name!r} needs either `data` or `parameters.binary_data_size`.")
    if len(binary) != (size or 0):
        raise InvalidParameterError(
            f"The body has {len(binary)} bytes after its JSON part; {size or 0} were announced."
        )
    if tensor.name == PIXELS:
        return list(_pixels(tensor, binary))
    count = math.prod(tensor.shape)
    images = _split(binary) if size is not None else _from_base64(tensor)
    if len(images) != count:
        raise InvalidParameterError(f"Input {ENCODED!r} holds {len(images)} images; its shape says {count}.")
    return list(images)


def _pixels(tensor: InputTensor, binary: memoryview) -> NDArray[np.uint8]:
    shape = tensor.shape
    if len(shape) != 4 or shape[3] != 3:
        raise InvalidParameterError(f"Input {PIXELS!r} has shape {shape}; it must be [N, height, width, 3].")
    if tensor.parameters.binary_data_size is not None:
        values = np.frombuffer(binary, np.uint8)
    else:
        values = np.array(_flat(tensor, _Pixel, "whole numbers from 0 to 255"), np.uint8)
    if values.size != math.prod(shape):
        raise InvalidParameterError(
            f"Input {PIXELS!r} holds {values.size} values; its shape {shape} has {math.prod(shape)}."
        )
    return values.reshape(shape)


def _split(binary: memoryview) -> list[bytes]:
    images: list[bytes] = []
    start = 0
    while start < len(binary):
        if start + 4 > len(binary):
            raise InvalidParameterError(f"Input {ENCODED!r} is cut off: each image follows its length in 4 bytes.")
        (length,) = struct.unpack_from("<I", binary, start)
        start += 4 + length
        if start > len(binary):
            raise InvalidParameterError(f"Input {ENCODED!r} is cut off: an image of {length} bytes is announced.")
        images.append(bytes(binary[start - length : start]))
    return images


def _from_base64(tensor: InputTensor) -> list[bytes]:
    return [decode_base64(one, field_name=ENCODED) for one in _flat(tensor, str, "texts in base64")]


def _flat(tensor: InputTensor, kind: Any, allowed: str) -> list[Any]:  # noqa: ANN401 - int or str with limits
    """Gives the values of a tensor in JSON: in one list, or in lists of its shape."""
    nested: Any = list[kind]
    for depth in range(len(tensor.shape)):
        try:
            values: list[Any] = msgspec.json.decode(tensor.data, type=nested)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            nested = list[nested]
            continue
        for _ in range(depth):
            if len({len(row) for row in values}) > 1:
                raise InvalidParameterError(f"The data of input {tensor.name!r} has rows of different lengths.")
            values = list(chain.from_iterable(values))
        return values
    raise InvalidParameterError(
        f"The data of input {tensor.name!r} must be {allowed}, in one list or in lists of its shape."
    )


def encode_output(
    probabilities: NDArray[np.float32], output: RequestedOutput, top: Sequence[Sequence[ClassProbability]]
) -> tuple[dict[str, Any], bytes]:
    """Gives an output as its JSON entry and its binary part, which is empty for JSON.

    Args:
        probabilities: float32 [N, classes].
        output: what is wanted; with `classification` k it becomes BYTES [N, k] of "probability:id:label".
        top: for each image the k most probable classes, where `classification` was asked for.
    """
    entry: dict[str, Any] = {"name": output.name}
    if output.parameters.classification:
        texts = [[f"{one.probability:f}:{one.class_id}:{one.label}" for one in row] for row in top]
        entry |= {"datatype": "BYTES", "shape": [len(texts), len(texts[0])]}
        flat = [text for row in texts for text in row]
        packed = b"".join(struct.pack("<I", len(raw := text.encode())) + raw for text in flat)
    else:
        entry |= {"datatype": "FP32", "shape": list(probabilities.shape)}
        flat = probabilities.reshape(-1).tolist()
        packed = probabilities.astype("<f4").tobytes()
    if output.parameters.binary_data:
        entry["parameters"] = {"binary_data_size": len(packed)}
        return entry, packed
    entry["data"] = flat
    return entry, b""
