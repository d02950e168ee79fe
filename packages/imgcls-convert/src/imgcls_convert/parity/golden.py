"""Golden cases as they are recorded: PyTorch's answer to an image, and what it would be if one known fault were made.

Every fault is made with PIL and PyTorch alone, as a service that makes it would: while the image is decoded, resized
or brought into the network's range, or to the answer itself.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, cast

import numpy as np
import torch
import torch.nn.functional as F
from imgcls_cli.progress import Progress
from imgcls_contract import Counterfactual, FaultyAnswer
from imgcls_core.artifact import GOLDEN_TOLERANCE, GoldenAnswer, GoldenCase, Interpolation, Preprocessing
from imgcls_core.cpus import allotted_cpus
from imgcls_networks.probability_network import OutputKind
from imgcls_networks.pytorch_classifier import DecodedStages, PyTorchClassifier, middle
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor

from imgcls_convert.errors import WeakProofError
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import evenly_spread
from imgcls_convert.pixel_values import IMAGENET_MEAN, IMAGENET_STD

_RECORDED_CLASSES: Final = 5
_MAX_VECTORS_BYTES: Final = 200_000  # of all whole answers together, in base64
_BATCH: Final = 16  # images that PyTorch is asked at once
# Images that carry the faults which every image shows: a fifth of a conversion's processor time goes into them.
_CARRIERS: Final = 8
_LOGITS: Final = "logits"  # a fault of right pixels: what the network gives is taken as it is
_ORIENTATION: Final = 0x0112  # in EXIF
_HALVES: Final = (0.5, 0.5, 0.5)

_Resize = Callable[[Image.Image, tuple[int, int]], Tensor]  # image, (width, height) → 0 to 255, [3, height, width]


def check_proves(answers: NDArray[np.float32], yardstick: str) -> None:
    """Raises if the golden images could not tell a right artifact from a wrong one.

    Args:
        answers: the right ones to them, float32 [images, classes].
        yardstick: who gave them: PyTorch, or the ONNX file that is converted.

    Raises:
        WeakProofError: all of them are alike, or name the same class.
    """
    if len(answers) < 2:
        return
    if (spread := float(np.abs(answers - answers[0]).max())) <= GOLDEN_TOLERANCE["fp32"]:
        raise WeakProofError(
            f"{yardstick} answers all {len(answers)} golden images alike (largest |Δp| {spread:.1e}): the network does "
            "not look at them. Are these the weights that were trained, and is the preprocessing theirs?"
        )
    if len(classes := set(answers.argmax(axis=1).tolist())) == 1:
        raise WeakProofError(
            f"All {len(answers)} golden images are of class {classes.pop()} for {yardstick}, so that an artifact with "
            "other labels or a constant answer would pass. Give images of several classes with `--golden`."
        )


def record_golden(
    pytorch: PyTorchClassifier,
    images: Sequence[LoadedImage],
    stages: Iterable[DecodedStages],
    answers: NDArray[np.float32],
    progress: Progress,
) -> tuple[GoldenCase, ...]:
    """Records PyTorch's answers: the most probable classes, what they would be under faults, and the whole answer.

    The whole answer shows two classes that were exchanged; where it is large, only the first cases have it.

    Args:
        pytorch: answers rightly.
        images: the golden ones.
        stages: of their decoding.
        answers: its right answers, float32 [images, classes], the first of them to `images`.
        progress: shown the progress.
    """
    cases: list[GoldenCase] = []
    room = _MAX_VECTORS_BYTES
    faulty = _counterfactuals(pytorch, stages, answers[: len(images)], progress)
    for image, answer, wrong in zip(images, answers, faulty, strict=False):
        best = np.argsort(-answer, kind="stable")[:_RECORDED_CLASSES]
        vector = base64.b64encode(answer.astype("<f4").tobytes()).decode("ascii")
        room -= len(vector)
        cases.append(
            GoldenCase(
                name=image.name,
                image_base64=base64.b64encode(image.encoded).decode("ascii"),
                top=tuple(GoldenAnswer(int(i), min(1.0, float(answer[i]))) for i in best),
                expected_class_id=image.class_id,
                vector_base64=vector if not cases or room >= 0 else None,
                counterfactuals=wrong,
            )
        )
    return tuple(cases)


def _counterfactuals(
    pytorch: PyTorchClassifier, stages: Iterable[DecodedStages], answers: NDArray[np.float32], progress: Progress
) -> list[tuple[Counterfactual, ...]]:
    """Asks PyTorch about each image under each fault; keeps what differs from the right answer."""
    carriers = evenly_spread(len(answers), _CARRIERS)
    found = [_faulty_outputs(answer) for answer in answers]
    network, wants_logits = pytorch.network, pytorch.network.output_kind is OutputKind.LOGITS

    def answer(job: tuple[Callable[[Tensor], Tensor], Sequence[tuple[int, str, Tensor]]]) -> NDArray[np.float32]:
        ask, batch = job
        with torch.inference_mode():
            pixels = torch.stack([pixels for _, _, pixels in batch])
            return ask(pixels.contiguous(memory_format=pytorch.layout)).numpy()

    with _one_thread_each(), ThreadPoolExecutor(allotted_cpus()) as pool:
        inputs = [
            (place, fault, pixels)
            for place, decoded in enumerate(stages)
            for fault, pixels in _faulty_inputs(decoded, pytorch.preprocessing, all_faults=place in carriers)
        ]
        batches = [
            (ask, chosen[start : start + _BATCH])
            for ask, chosen in (
                (network, [one for one in inputs if one[1] != _LOGITS]),
                (network.logits, [one for one in inputs if one[1] == _LOGITS and wants_logits]),
            )
            for start in range(0, len(chosen), _BATCH)
        ]
        answered = progress.track(pool.map(answer, batches), "Faults", len(batches))
        for (_, batch), rows in zip(batches, answered, strict=True):
            for (place, fault, _), row in zip(batch, rows, strict=True):
                found[place][fault] = row
    return [
        tuple(_counterfactual(fault, row) for fault, row in made.items() if _is_another(row, answer))
        for made, answer in zip(found, answers, strict=False)
    ]


def _faulty_outputs(answer: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Makes the faults that need no other pixels."""
    twice = torch.softmax(torch.from_numpy(answer), dim=0).numpy()
    return {"softmax_twice": twice, "labels_shifted_up": np.roll(answer, 1), "labels_shifted_down": np.roll(answer, -1)}


@contextmanager
def _one_thread_each() -> Generator[None]:
    """Lets each image and batch take one processor: several would wait for each other at every step."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _is_another(row: NDArray[np.float32], answer: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(row).all()) and float(np.abs(row - answer).max()) > GOLDEN_TOLERANCE["fp32"]


def _counterfactual(fault: str, row: NDArray[np.float32]) -> Counterfactual:
    best = np.argsort(-row, kind="stable")[:_RECORDED_CLASSES]
    return Counterfactual(fault, tuple(FaultyAnswer(int(i), round(float(row[i]), 7)) for i in best))


def _faulty_inputs(stages: DecodedStages, spec: Preprocessing, *, all_faults: bool) -> Iterator[tuple[str, Tensor]]:
    """Gives fault → the network's input, float32 [3, height, width]; else only the faults that few images show."""
    image = stages.upright
    decoded = _decoded_alone(stages, spec) | (_decoded(image) if all_faults else {})
    for fault, changed in decoded.items():
        yield fault, _normalised(_geometry(changed, spec, _antialiased(spec.interpolation)), spec)
    if not all_faults:
        return
    other: Interpolation = "bicubic" if spec.interpolation == "bilinear" else "bilinear"
    resizes: Mapping[str, _Resize] = {
        "no_antialias": _without_antialias(spec.interpolation),
        "nearest": lambda image, size: pil_to_tensor(image.resize(size, Image.Resampling.NEAREST)).float(),
        f"{other}_resize": _antialiased(other),
        "half_pixel_shift": lambda image, size: pil_to_tensor(
            image.resize(size, Image.Resampling[spec.interpolation.upper()], box=(0.5, 0.5, *image.size))
        ).float(),
    }
    for fault, resize in resizes.items():
        if fault != "half_pixel_shift" or min(image.size) > 1:
            yield fault, _normalised(_geometry(image, spec, resize), spec)
    for fault, levels in _other_geometry(image, spec).items():
        yield fault, _normalised(levels, spec)
    levels = _geometry(image, spec, _antialiased(spec.interpolation))
    yield _LOGITS, _normalised(levels, spec)
    if spec.range == "0..1":
        yield "divided_by_256", _normalised(levels * (255 / 256), spec)
        yield "not_scaled", _normalised(levels * 255, spec)
    else:
        yield "scaled", _normalised(levels / 255, spec)
    raw = replace(spec, mean=(0.0,) * 3, std=(1.0,) * 3)
    yield "not_normalised", _normalised(levels, raw)
    is_halves = np.allclose((spec.mean, spec.std), (_HALVES, _HALVES), atol=0.02)
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if is_halves else (_HALVES, _HALVES)
    yield "other_mean_std", _normalised(levels, replace(spec, mean=mean, std=std, range="0..1"))


def _decoded(image: Image.Image) -> dict[str, Image.Image]:
    """Makes the faults of decoding that every image shows."""
    red, green, blue = image.split()
    return {
        "channels_exchanged": Image.merge("RGB", (blue, green, red)),
        "mirrored": ImageOps.mirror(image),
        "upside_down": ImageOps.flip(image),
        "transposed": image.transpose(Image.Transpose.TRANSPOSE),
    }


def _decoded_alone(stages: DecodedStages, spec: Preprocessing) -> dict[str, Image.Image]:
    """Makes the faults of decoding that only images of some kinds show."""
    raw, image = stages.raw, stages.upright
    made: dict[str, Image.Image] = {}
    if raw.getexif().get(_ORIENTATION, 1) != 1:
        made["exif_ignored"] = stages.flat
        made["exif_mirrored"] = ImageOps.mirror(image)
    if raw.mode == "L":
        black = Image.new("L", image.size)
        made["gray_as_negative"] = ImageOps.invert(image)
        made["gray_wrong"] = Image.merge("RGB", (image.getchannel(0), black, black))
    if raw.has_transparency_data:
        made["alpha_dropped"] = ImageOps.exif_transpose(raw).convert("RGB")
    if raw.format == "JPEG":
        reduced = Image.open(io.BytesIO(stages.encoded))
        height, width = spec.native_size
        reduced.draft("RGB", (width, height))
        for fault, other in (("reduced_decode", reduced), ("whole_decode", Image.open(io.BytesIO(stages.encoded)))):
            if other.size != raw.size:
                made[fault] = ImageOps.exif_transpose(other).convert("RGB")
    return made


def _geometry(image: Image.Image, spec: Preprocessing, resize: _Resize) -> Tensor:
    """Resizes and crops or pads as the yardstick does, with another resize: 0 to 255, float32 [3, height, width]."""
    height, width = spec.size
    if spec.pad_color is not None:
        inner = ImageOps.contain(Image.new("1", image.size), (width, height)).size
        # Where nothing of a thin strip is left, the colour is.
        pixels = resize(image, inner) if min(inner) else torch.empty(3, *inner[::-1])
        left, top = round((width - inner[0]) * 0.5), round((height - inner[1]) * 0.5)
        padded = torch.tensor(spec.pad_color).float()[:, None, None].repeat(1, height, width)
        padded[:, top : top + inner[1], left : left + inner[0]] = pixels
        return padded
    if spec.resize_size is None or spec.resize_mode == "squash":
        height, width = spec.native_size
    else:
        short = spec.resize_size / min(image.size)
        height, width = (max(spec.resize_size, int(short * side)) for side in (image.height, image.width))
    resized = resize(image, (width, height))
    return middle(resized, spec)


def _other_geometry(image: Image.Image, spec: Preprocessing) -> dict[str, Tensor]:
    """Squashes where a crop or bars are due, crops a square where the image is to be squashed, paints other bars."""
    height, width = spec.size
    resize = _antialiased(spec.interpolation)
    if spec.pad_color is not None:
        other = replace(spec, pad_color=(0, 0, 0) if min(spec.pad_color) > 64 else (255, 255, 255))
        return {"not_padded": resize(image, (width, height)), "padded_wrong": _geometry(image, other, resize)}
    if image.width == image.height:
        return {}
    if spec.crop is not None:
        return {"crop_wrong": resize(image, (width, height))}
    square = cast("Any", center_crop(cast("Any", image), [min(image.size)] * 2))  # of a PIL image it gives one
    return {"crop_wrong": resize(square, (width, height))}


def _antialiased(name: Interpolation) -> _Resize:
    return lambda image, size: pil_to_tensor(image.resize(size, Image.Resampling[name.upper()])).float()


def _without_antialias(name: Interpolation) -> _Resize:
    mode = "bicubic" if name in {"bicubic", "lanczos"} else "bilinear"

    def resize(image: Image.Image, size: tuple[int, int]) -> Tensor:
        pixels = pil_to_tensor(image).float()[None]
        small = F.interpolate(pixels, size[::-1], mode=mode, align_corners=False, antialias=False)
        return small[0].round().clamp(0, 255)

    return resize


def _normalised(levels: Tensor, spec: Preprocessing) -> Tensor:
    if spec.range == "0..1":
        levels = levels / 255
    if spec.channels == "bgr":
        levels = levels.flip(0)
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    return (levels - mean) / std
