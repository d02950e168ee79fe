"""A network whose output is made probabilities; what its output is, is measured and not read from a name."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final

import torch
from torch import Tensor, nn

from imgcls_networks.errors import NetworkError
from imgcls_networks.exception_text import one_line, raised_at

# How far images of one batch may move each other's outputs, relative to the largest output: other batch sizes take
# other code paths, which add up in another order.
_BATCH_TOLERANCE: Final = 1e-3
_SUM_TOLERANCE: Final = 1e-3  # of a row that claims to be probabilities
_PROBE_SCALES: Final = (0.0, 0.3, 1.0, 4.0)  # of noise; a sigmoid stays in 0 to 1 for all, logits do not


class OutputKind(Enum):
    """What a network's output is, and so what is left to be done to it."""

    LOGITS = "logits"
    SOFTMAX = "probabilities"
    ONE_LOGIT = "one logit"
    ONE_PROBABILITY = "one probability"


class ProbabilityNetwork(nn.Module):
    """Normalised pixels float32 [N, 3, height, width] → probabilities float32 [N, classes]; rows sum to 1.

    Args:
        network: the user's own, in evaluation mode.
        output_kind: what its output is. A single output is taken for the second of two classes.
        classes: length of the rows.
        temperature: the logits are divided by it; 1 leaves them as they are.
    """

    def __init__(self, network: nn.Module, output_kind: OutputKind, classes: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.output_kind = output_kind
        self.classes = classes
        self.temperature = temperature

    @property
    def has_single_output(self) -> bool:
        """Whether its two classes, absent and present, come from one number."""
        return self.output_kind in {OutputKind.ONE_LOGIT, OutputKind.ONE_PROBABILITY}

    def forward(self, pixels: Tensor) -> Tensor:
        """Answers a batch."""
        return to_probabilities(logits_of(self.network(pixels)), self.output_kind.name, self.temperature)

    def logits(self, pixels: Tensor) -> Tensor:
        """Gives what the softmax is put over, float32 [N, classes], where `output_kind` is `LOGITS`."""
        return logits_of(self.network(pixels)) / self.temperature


def to_probabilities(output: Tensor, kind: str, temperature: float) -> Tensor:
    """Makes probabilities of what a network gives, in the part of Python that TorchScript can compile.

    Args:
        output: float32 [N, classes], or [N] or [N, 1] for a single output.
        kind: name of an `OutputKind`.
        temperature: logits are divided by it.
    """
    if kind == "SOFTMAX":
        return output
    if kind == "ONE_PROBABILITY":
        present = output.reshape(-1, 1)
        return torch.cat([1 - present, present], dim=1)
    if kind == "ONE_LOGIT":
        present = output.reshape(-1, 1)
        output = torch.cat([torch.zeros_like(present), present], dim=1)  # [N] → [N, 2]
    if temperature != 1.0:
        output = output / temperature
    return torch.softmax(output, dim=1)


def logits_of(output: Any) -> Any:  # noqa: ANN401 - whatever the network gives
    """Takes `logits` out of the answers that some libraries wrap them in (transformers, GoogLeNet); else the answer."""
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    return getattr(output, "logits", output)


def with_probabilities(network: nn.Module, size: tuple[int, int], temperature: float = 1.0) -> ProbabilityNetwork:
    """Asks the network about noise and finds out what it gives.

    Args:
        network: any module; it is put into evaluation mode and float32.
        size: height and width of its input, in pixels.
        temperature: its logits are to be divided by it.

    Raises:
        NetworkError: it fails on images of this size, gives no row of numbers per image, gives NaN, answers one image
            differently in another company or at another time, or has no logits that a temperature could divide.
    """
    network = network.float()
    # A program of torch.export was settled when it was exported, and refuses to be asked again.
    with suppress(NotImplementedError):
        network = network.eval()
    noise = torch.randn(len(_PROBE_SCALES), 3, *size, generator=torch.Generator().manual_seed(20180))
    probes = noise * torch.tensor(_PROBE_SCALES)[:, None, None, None]  # [N, 3, height, width]
    rows = _answer(network, probes, size)
    _check_independence(network, probes, rows, size)
    if not bool(rows.isfinite().all()):
        raise NetworkError(
            "The network gives NaN or infinite outputs; its weights are damaged or its training diverged."
        )
    kind = _output_kind(rows)
    if temperature != 1 and kind in {OutputKind.SOFTMAX, OutputKind.ONE_PROBABILITY}:
        raise NetworkError(
            f"The network gives {kind.value} (measured); its temperature {temperature:g} would need logits."
        )
    return ProbabilityNetwork(network, kind, max(2, rows.shape[1]), temperature)


def output_note(classifier: ProbabilityNetwork, size: tuple[int, int]) -> str | None:
    """Gives what a user should know of the output; None where it is one row of logits, as usual."""
    if classifier.output_kind is OutputKind.SOFTMAX:
        return "the network gives probabilities already (measured); no softmax is added"
    if classifier.output_kind is not OutputKind.LOGITS:
        return (
            f"the network gives {classifier.output_kind.value} (measured): class 1 of the two classes absent, present"
        )
    noise = torch.randn(len(_PROBE_SCALES), 3, *size, generator=torch.Generator().manual_seed(1))
    probes = noise * torch.tensor(_PROBE_SCALES)[:, None, None, None] * 4
    rows = _answer(classifier.network, probes, size)
    if bool((rows.logsumexp(dim=1).abs() <= _SUM_TOLERANCE).all()):
        return "the network gives log-probabilities (measured); a softmax turns them into the probabilities"
    if not _in_unit_range(rows):
        return None
    return (
        "the outputs stay within 0 to 1 without summing to 1, as those of a multi-label network do; a softmax is "
        "put over them all the same, because an artifact names one class per image"
    )


def _output_kind(rows: Tensor) -> OutputKind:
    if rows.shape[1] == 1:
        return OutputKind.ONE_PROBABILITY if _in_unit_range(rows) else OutputKind.ONE_LOGIT
    sums_to_one = bool(((rows.sum(dim=1) - 1).abs() <= _SUM_TOLERANCE).all())
    return OutputKind.SOFTMAX if _in_unit_range(rows) and sums_to_one else OutputKind.LOGITS


def _in_unit_range(rows: Tensor) -> bool:
    return bool(((rows >= 0) & (rows <= 1)).all())


def _answer(network: nn.Module, images: Tensor, size: tuple[int, int]) -> Tensor:
    try:
        with torch.inference_mode():
            out = logits_of(network(images))
    except Exception as error:  # a user's network may raise anything
        raise NetworkError(
            f"The network fails on {len(images)} images of {size[0]} × {size[1]} px: {one_line(error)}. "
            f"Is `--image-size` right, and does it take any number of images?{raised_at(error)}"
        ) from error
    if isinstance(out, Tensor) and out.ndim == 1 and len(out) == len(images):
        out = out[:, None]
    if not isinstance(out, Tensor) or out.ndim != 2 or out.shape[0] != len(images) or out.shape[1] == 0:
        found = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise NetworkError(
            f"For {len(images)} images the network gives {found}; a classifier gives logits [{len(images)}, classes]."
        )
    return out


def _check_independence(network: nn.Module, probes: Tensor, rows: Tensor, size: tuple[int, int]) -> None:
    scale = float(rows.nan_to_num().abs().max()) + 1e-6
    if _distance(_answer(network, probes, size), rows) > _BATCH_TOLERANCE * scale:
        raise NetworkError(
            "The network answers the same images differently each time (dropout or noise that stays on in evaluation "
            "mode?); only a network that always answers alike can be proven."
        )
    distance = _batch_effect(network, probes, rows, size)
    if distance > _BATCH_TOLERANCE * scale and _depends_in_double(network, probes, size):
        raise NetworkError(
            "The network's answer to an image depends on the other images of its batch (outputs move by "
            f"{distance:.1e} of {scale:.1e}); a service batches images of many users. Batch normalisation must use its "
            "running statistics."
        )


def _batch_effect(network: nn.Module, probes: Tensor, rows: Tensor, size: tuple[int, int]) -> float:
    return _distance(torch.cat([_answer(network, probe[None], size) for probe in probes]), rows)


def _depends_in_double(network: nn.Module, probes: Tensor, size: tuple[int, int]) -> bool:
    """Asks once more in float64, where rounding fades (a deep network can blow it up) and dependence stays."""
    try:
        exact = copy.deepcopy(network).double()
        rows = _answer(exact, probes.double(), size)
        effect = _batch_effect(exact, probes.double(), rows, size)
    except (NetworkError, RuntimeError, TypeError, NotImplementedError):
        return True  # it cannot be asked in float64, so what float32 said stands
    return effect > _BATCH_TOLERANCE * (float(rows.nan_to_num().abs().max()) + 1e-6)


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).nan_to_num().abs().max())
