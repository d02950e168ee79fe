"""What can go wrong in a conversion, once there is a network (`imgcls_networks.errors` says what can before).

ImgclsError
└── ConversionError       5  the conversion failed
    ├── ExportError          PyTorch cannot express the network as ONNX, or as one with a free batch size
    ├── ParityError          the artifact does not answer as PyTorch does
    ├── WeakProofError       the golden images could not tell a right artifact from a wrong one
    ├── AgreementError       the artifact in fp16 or int8 names other classes too often
    └── DecodeAgreementError photos that are decoded at a reduced scale are of other classes too often
"""

import math
from collections.abc import Sequence
from typing import ClassVar

from imgcls_core.errors import ImgclsError


class ConversionError(ImgclsError):
    """The conversion failed; nothing was written."""

    code = "conversion"
    exit_code: ClassVar[int] = 5


class ExportError(ConversionError):
    """The network cannot become an artifact."""

    code = "export"


class ParityError(ConversionError):
    """The artifact does not answer as PyTorch does.

    Args:
        image: the image that differs most.
        max_abs_diff: its largest |Δp|.
        tolerance: what is allowed.
        rounding: how far PyTorch's own float32 is from its float64 there; None where that was not asked.
        pytorch_class_id: PyTorch's top-1 on that image.
        onnx_class_id: the artifact's.
        disagreeing: how many images have another top-1.
        images: how many were compared.
        yardstick: what stands for PyTorch where the network is a file of ONNX.
    """

    code = "parity"

    def __init__(
        self,
        *,
        image: str,
        max_abs_diff: float,
        tolerance: float,
        rounding: float | None,
        pytorch_class_id: int,
        onnx_class_id: int,
        disagreeing: int,
        images: int,
        yardstick: str = "PyTorch",
    ) -> None:
        self.image, self.max_abs_diff, self.tolerance = image, max_abs_diff, tolerance
        self.rounding, self.disagreeing, self.images = rounding, disagreeing, images
        exact = "" if rounding is None else f"; PyTorch's own float32 is up to {rounding:.1e} from its float64"
        super().__init__(
            f"ONNX and {yardstick} disagree: {disagreeing} of {images} images have another top-1, and {image!r} "
            f"differs most with max |Δp| = {max_abs_diff:.1e} (tolerance {tolerance:.1e}{exact}; {yardstick} says "
            f"class {pytorch_class_id}, ONNX {onnx_class_id}). Nothing was written; `--skip-verify` writes it unproven."
        )


class AgreementError(ConversionError):
    """An artifact in a smaller precision names other classes than PyTorch too often.

    Args:
        precision: "fp16" or "int8".
        agreement: share of images with PyTorch's top-1.
        bar: what is needed.
        images: how many were judged.
        sensitive: the layers that cost most, the costliest first; empty when they were not ranked.
        doubtful: share of images that a second look would take; 0 where it takes them already, or cannot.
    """

    code = "agreement"

    def __init__(
        self,
        *,
        precision: str,
        agreement: float,
        bar: float,
        images: int,
        sensitive: Sequence[str],
        doubtful: float = 0.0,
    ) -> None:
        self.agreement, self.bar, self.images, self.sensitive = agreement, bar, images, tuple(sensitive)
        costly = sensitive[:8]
        layers = (
            f" The layers to keep in float are {', '.join(costly)}: `--float-layers {','.join(costly)}`, or "
            "`--float-share 50` for as many as it takes."
            if costly
            else ""
        )
        if doubtful:
            percent = math.ceil(doubtful * 100 + 5)
            layers += (
                f" `--second-look {min(percent, 100)}` has the float network answer where two classes are close, about "
                f"{doubtful:.0%} of the images, which costs their time."
            )
        super().__init__(
            f"{precision} names PyTorch's class on {agreement:.1%} of {images} images; {bar:.1%} are needed.{layers} "
            f"Nothing was written; give more calibration images, another precision, or `--min-agreement "
            f"{agreement * 100:.1f}`."
        )


class DecodeAgreementError(ConversionError):
    """Photos that are decoded at a reduced scale get other classes than whole ones too often.

    Args:
        agreement: share of the photos that get the same class.
        bar: what is needed.
        images: how many were judged.
    """

    code = "decode_agreement"

    def __init__(self, *, agreement: float, bar: float, images: int) -> None:
        self.agreement, self.bar, self.images = agreement, bar, images
        super().__init__(
            f"Decoded at a reduced scale, large photos get the class that they get decoded whole on {agreement:.1%} of "
            f"{images}; {bar:.1%} are needed. Nothing was written; leave `--decode scaled` out, or say "
            f"`--min-agreement {agreement * 100:.1f}`."
        )


class WeakProofError(ConversionError):
    """The golden images could not tell a right artifact from a wrong one.

    Args:
        reason: what was found and what to do, in sentences.
    """

    code = "weak_proof"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Nothing was written; `--weak-proof` writes it all the same.")
