"""The answers for several images; a bad image is an error in its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
from msgspec import Meta, Struct

from imgcls_contract.classification import ImageAnswer, ModelId, decoder_of


class ImageFault(Struct, frozen=True):
    """What was wrong with one image of several, as in a problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class FailedImage(Struct, frozen=True):
    """The place of an image that has no answer."""

    error: ImageFault


if TYPE_CHECKING:
    BatchResult = ImageAnswer | FailedImage
else:
    # msgspec takes no union of two structs without a tag, and the wire has none: `decode_batch` tells them apart.
    BatchResult = Any

_RESULTS_SCHEMA: Final = {
    "items": {"anyOf": [{"$ref": f"#/components/schemas/{one.__name__}"} for one in (ImageAnswer, FailedImage)]}
}


class BatchReply(Struct, frozen=True):
    """The answers for several images, in their order; a bad image is an error in its own place."""

    results: Annotated[list[BatchResult], Meta(extra_json_schema=_RESULTS_SCHEMA)]
    model: ModelId
    total_ms: Annotated[float, Meta(description="From the request's headers to this answer, in ms.")]
    request_id: str


def decode_batch(body: bytes) -> BatchReply:
    """Reads the reply to `POST /predict/batch`.

    Raises:
        msgspec.DecodeError: it is not JSON, or not such a reply; the error names the field.
    """
    for each in (FailedImage, ImageAnswer):
        decoder_of(each)  # known before several threads convert to them
    reply: BatchReply = decoder_of(BatchReply).decode(body)
    results = [
        msgspec.convert(one, FailedImage if isinstance(one, dict) and "error" in one else ImageAnswer)
        for one in cast("list[object]", reply.results)
    ]
    return msgspec.structs.replace(reply, results=results)
