"""What a user asks of one conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgcls_core.artifact import Channels, Decode, PixelRange, Precision, Preprocessing

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ConvertRequest:
    """One conversion; None means "as the model itself says, else the default".

    Args:
        model: a catalog name, FILE.py:FACTORY(arguments), timm/NAME, hf/OWNER/NAME, a folder of transformers, a trained
            model's folder, or a TorchScript or torch.export file; or a network; None means resnet18, or the bundled
            model where its weights cannot be downloaded.
        revision: a branch, tag or commit of a model of the Hugging Face hub.
        weights: a path or URL of a checkpoint.
        state_key: which set of its weights is meant, where it has several; a path with dots.
        labels: a known list (`imagenet1k`), a file, or the names in order.
        preprocessing: in the place of what the weights publish; the options that follow override it.
        image_size: height and width of the network's input, in pixels.
        resize: "squash", "letterbox", or the shorter edge in pixels before a centre crop.
        crop: side of the centre crop in pixels; it is the network's input then.
        pad_color: R, G, B of the bars of a letterbox, 0 to 255.
        mean: per channel in the order of `channels`, in the range of `range`.
        std: per channel in the order of `channels`, in the range of `range`.
        range: what black and white become before mean and std: "0..1", "0..255" or "-1..1".
        channels: "rgb" or "bgr", the order in which the network takes them.
        mean_order: in which order mean and std are written; None is that of `channels`.
        num_classes: length of the output, for architectures that can be built with any.
        golden: a CSV file or folder of images to record; None generates them.
        verify_images: a folder on which the artifact must also equal PyTorch.
        output_name: which output of an ONNX file is meant, where it has several.
        output: the .onnx file; None means models/NAME.onnx.
        decode: "scaled" has large JPEGs decoded at 1/2, 1/4 or 1/8, never below twice what they are resized to.
        precision: of the artifact's network.
        calibrate: a folder of images that set the ranges of int8.
        min_agreement: top-1 agreement in percent below which fp16, int8 and scaled decoding are
            refused; None takes 99.5, 98 and 98.
        float_layers: names of layers that fp16 and int8 keep in float, with commas between them.
        float_share: percent of the layers that may stay in float by measurement; None takes 25.
        second_look: percent of the images that int8 may have answered by the float network, where its two best classes
            are close; None takes 20.
        weak_proof: accept golden images that are all answered alike or land in one class.
        trust: code that comes in a TorchScript or torch.export file may run.
        skip_verify: write the artifact without proof.
    """

    model: str | nn.Module | None = None
    revision: str | None = None
    weights: str | None = None
    state_key: str | None = None
    labels: str | Sequence[str] | None = None
    preprocessing: Preprocessing | None = None
    image_size: tuple[int, int] | None = None
    resize: str | None = None
    crop: int | None = None
    pad_color: tuple[int, int, int] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    range: PixelRange | Literal["-1..1"] | None = None
    channels: Channels | None = None
    mean_order: Channels | None = None
    num_classes: int | None = None
    golden: Path | None = None
    verify_images: Path | None = None
    output_name: str | None = None
    output: Path | None = None
    decode: Decode = "exact"
    precision: Precision = "fp32"
    calibrate: Path | None = None
    min_agreement: float | None = None
    float_layers: str | None = None
    float_share: float | None = None
    second_look: float | None = None
    skip_verify: bool = False
    weak_proof: bool = False
    trust: bool = False
