"""What an image processor of transformers does to an image, as an artifact says it.

The processor that works with Pillow is the reference. What is read from its settings is measured on noise against the
processor itself, so that one with code of its own is never taken for what its settings say.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import torch
from imgcls_core.artifact import Interpolation, Preprocessing
from imgcls_core.images.preprocess import ImagePreprocessor, crop_start
from PIL import Image
from PIL import __version__ as pillow_version

from imgcls_networks.architectures.found import Prepare
from imgcls_networks.architectures.timm import timm_preprocessing
from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import one_line

# ConvNeXt's processor crops below this size and squashes from it on.
_CONVNEXT_SQUASHES_FROM: Final = 384
_FILTERS: Final[Mapping[int, Interpolation]] = {
    int(Image.Resampling[name.upper()]): name for name in get_args(Interpolation)
}
_MOST_PX: Final = 4096  # far above any network's input; larger images would be tried with gigabytes
_PROBE_SIZES: Final = ((53, 37), (301, 400), (411, 300), (64, 64))  # height, width in pixels
# Of a level from 0 to 255: above what rounding in another order can do, far below a pixel that is another one.
_LEVEL_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class ProcessedImages:
    """How images are prepared: as an artifact says it, by the library itself, and by its other processors."""

    preprocessing: Preprocessing
    prepare: Prepare
    others: Mapping[str, Prepare]


def read_processor(folder: Path, config: Any, model: str) -> ProcessedImages:  # noqa: ANN401 - of transformers
    """Reads the image processor of a model's folder.

    Raises:
        RequestError: there is none, or it does what an artifact cannot express; the sentence names it.
    """
    transformers: Any = importlib.import_module("transformers")
    advice = "Say what is right with `--resize`, `--image-size` or `--crop`, `--mean` and `--std`."

    def load(backend: str) -> Any:  # noqa: ANN401
        return transformers.AutoImageProcessor.from_pretrained(
            folder, config=config, backend=backend, local_files_only=True, trust_remote_code=False
        )

    try:
        processor = load("pil")
    except Exception as error:  # whatever a library makes of settings that anybody may have written
        raise RequestError(
            f"{model!r} has no image processor that can be read ({one_line(error)}). {advice}"
        ) from error
    name = type(processor).__name__
    if (named := _named(folder)) not in {None, name.removesuffix("Pil")}:
        # The library would take the one that is usual for the network instead.
        raise RequestError(
            f"{model!r} names the image processor {named}, which transformers {transformers.__version__} does not have "
            f"for Pillow. {advice}"
        )
    is_timm = hasattr(processor, "val_transforms")
    if not is_timm and getattr(processor, "backend", None) != "pil":
        raise RequestError(
            f"The image processor {name} of {model!r} has no Pillow version in transformers "
            f"{transformers.__version__}, and an artifact has Pillow's pixels. {advice}"
        )

    def prepare(image: Image.Image) -> torch.Tensor:
        return processor(images=image, return_tensors="pt")["pixel_values"]

    try:
        spec = timm_preprocessing(processor.data_config, model) if is_timm else _translated(processor)
    except ValueError as error:
        raise RequestError(
            f"The image processor {name} of {model!r} {one_line(error)}, which an artifact does not have. {advice}"
        ) from error
    except (AttributeError, ArithmeticError, LookupError, TypeError) as error:
        raise RequestError(
            f"The settings of the image processor {name} of {model!r} make no sense: {one_line(error)}. {advice}"
        ) from error
    try:
        difference = max(_difference(prepare, spec, size) for size in _PROBE_SIZES)
    except Exception as error:  # as above
        raise RequestError(f"The image processor {name} of {model!r} fails: {one_line(error)}. {advice}") from error
    if not difference <= _LEVEL_TOLERANCE:
        raise RequestError(
            f"The image processor {name} of {model!r} has code of its own: its pixels are up to {difference:.3g} "
            f"levels of 255 away from what its settings say. {advice}"
        )
    return ProcessedImages(spec, prepare, {} if is_timm else _fast(load))


def _named(folder: Path) -> str | None:
    """Gives the processor that the folder names, by the name that it has today; None where it leaves the choice."""
    content: dict[str, Any] = {}
    for file in ("processor_config.json", "preprocessor_config.json"):
        if not content and (folder / file).is_file():
            content = json.loads((folder / file).read_bytes())
            content = content.get("image_processor", {}) if file == "processor_config.json" else content
    name = content.get("image_processor_type") or content.get("feature_extractor_type")
    return name.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor") if name else None


def _fast(load: Any) -> dict[str, Prepare]:  # noqa: ANN401
    def prepare(image: Image.Image) -> torch.Tensor:
        return processor(images=image, return_tensors="pt")["pixel_values"]

    try:
        processor = load("torchvision")
        prepare(Image.new("RGB", _PROBE_SIZES[0]))  # torchvision has no box and no hamming
    except Exception:  # noqa: BLE001 - what fails there moves no answers
        return {}
    return {type(processor).__name__: prepare} if getattr(processor, "backend", None) == "torchvision" else {}


def _translated(processor: Any) -> Preprocessing:  # noqa: ANN401 - of transformers
    """Translates the settings.

    Raises:
        ValueError: says what an artifact does not have, as the end of "the processor …".
    """
    if not processor.do_resize:
        raise ValueError("does not resize (do_resize is false)")
    if processor.do_pad and processor.pad_size:
        raise ValueError(f"pads to {dict(processor.pad_size)} (do_pad)")
    kind = type(processor).__name__.removesuffix("Pil").removesuffix("ImageProcessor")
    size = {key: value for key, value in dict(processor.size or {}).items() if value is not None}
    crop = dict(processor.crop_size) if processor.do_center_crop and processor.crop_size else None
    edge, box = _edge_or_box(size, kind, processor)
    if kind == "ConvNext":
        crop = {"height": size["shortest_edge"], "width": size["shortest_edge"]} if edge else None
    if crop is None and edge:
        raise ValueError(f"resizes the shorter edge to {edge} px and crops nothing (size {size}, no centre crop)")
    target = (int(crop["height"]), int(crop["width"])) if crop else box
    if box and target == box:
        crop = None
    if crop and box and box[0] != box[1]:
        raise ValueError(f"crops {target} out of {box} px, which is no square")
    resized = edge or box[0]
    if max(resized, *target) > _MOST_PX:
        raise ValueError(f"resizes to {max(resized, *target)} px")
    if crop and resized < max(target):
        raise ValueError(f"fills up with black: it crops {target[0]} × {target[1]} px out of {resized} px")
    if not isinstance(processor.resample, int | None):
        raise TypeError(f"resample is {processor.resample!r}, and not the number of a filter")
    mean, std = _levels(processor, kind)
    return Preprocessing(
        size=target,
        resize_mode="shortest_edge" if edge else "squash",
        resize_size=resized if crop else None,
        crop="center_floor" if crop else None,
        interpolation=_FILTERS[int(processor.resample)] if processor.resample is not None else "bilinear",
        mean=mean,
        std=std,
        pillow=pillow_version,
        channels="bgr" if getattr(processor, "do_flip_channel_order", False) else "rgb",
    )


def _edge_or_box(size: Mapping[str, int], kind: str, processor: Any) -> tuple[int, tuple[int, int]]:  # noqa: ANN401
    """Gives the shorter edge after the resize, or 0 and (height, width), in pixels."""
    edge = int(size["shortest_edge"]) if set(size) == {"shortest_edge"} else 0
    box = (int(size["height"]), int(size["width"])) if set(size) == {"height", "width"} else (0, 0)
    if not edge and not box[0]:
        raise ValueError(f"resizes to {size}, another shape for each image")
    if kind == "ConvNext" and edge:
        return (0, (edge, edge)) if edge >= _CONVNEXT_SQUASHES_FROM else (int(edge / processor.crop_pct), box)
    if kind == "Levit" and edge:
        return int((256 / 224) * edge), box
    if kind == "PoolFormer" and processor.crop_pct is not None:
        if edge or box[0] == box[1]:
            return int((edge or box[0]) / processor.crop_pct), (0, 0)
        return 0, (int(box[0] / processor.crop_pct), int(box[1] / processor.crop_pct))
    return edge, box


def _levels(processor: Any, kind: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:  # noqa: ANN401
    """Gives mean and std for values from 0 to 1."""
    factor = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    offset = 1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0
    normalises = processor.do_normalize and kind != "MobileViT"
    mean = _three(processor.image_mean) if normalises else np.zeros(3)
    std = _three(processor.image_std) if normalises else np.ones(3)
    if getattr(processor, "include_top", False):
        std = std * _three(processor.image_std)
    mean, std = (mean + offset) / factor, std / factor
    return tuple(mean.tolist()), tuple(std.tolist())


def _three(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ANN401 - one number, or three
    return np.broadcast_to(np.asarray(values, np.float64), (3,))


def _difference(prepare: Prepare, spec: Preprocessing, size: tuple[int, int]) -> float:
    """Gives how far the library's pixels are from those of an artifact, in levels of 255."""
    noise = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    given = prepare(Image.fromarray(noise))[0].numpy().transpose(1, 2, 0)
    pixels = ImagePreprocessor(spec).shrink(noise)
    if spec.crop is not None:
        top, left = (crop_start(full, kept, spec.crop) for full, kept in zip(spec.native_size, spec.size, strict=True))
        pixels = pixels[top : top + spec.size[0], left : left + spec.size[1]]
    pixels = pixels[..., ::-1] if spec.channels == "bgr" else pixels
    if given.shape != pixels.shape:
        return float("inf")
    return float(np.abs((given * np.array(spec.std) + np.array(spec.mean)) * 255 - pixels).max())
