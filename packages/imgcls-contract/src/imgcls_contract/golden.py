"""The reply of `/golden`: images with PyTorch's own answers, which a deployment must reproduce."""

from __future__ import annotations

import base64
from typing import Annotated

from msgspec import Meta, Struct

from imgcls_contract.classification import ClassProbability, ModelId
from imgcls_contract.faults import Counterfactual


class GoldenCaseReply(Struct, frozen=True, omit_defaults=True):
    """One golden case: an image and PyTorch's answer."""

    name: str
    image_base64: str
    top: list[ClassProbability]
    expected_class_id: int | None
    vector_base64: Annotated[
        str | None, Meta(description="PyTorch's whole answer: float32, little endian, in the order of the classes.")
    ] = None
    counterfactuals: Annotated[
        tuple[Counterfactual, ...], Meta(description="What PyTorch answers under each fault that changes the answer.")
    ] = ()

    @property
    def image(self) -> bytes:
        """Gives the encoded image.

        Raises:
            binascii.Error: what came is not base64.
        """
        return base64.b64decode(self.image_base64, validate=True)


class GoldenReply(Struct, frozen=True):
    """The artifact's golden cases; answers on this deployment lie within `tolerance` of them."""

    model: ModelId
    precision: str
    tolerance: Annotated[float, Meta(ge=0, description="Largest difference of a probability.")]
    cases: list[GoldenCaseReply]
