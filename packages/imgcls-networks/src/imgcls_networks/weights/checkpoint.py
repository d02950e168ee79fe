"""A state dict from a file, loaded so that it cannot run code, and put into a network with plain words on misfits."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from imgcls_core.checksum import file_sha256
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from imgcls_networks.errors import CheckpointError

# Where training scripts put the state dict inside a larger checkpoint.
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "net", "module")
_PREFIX: Final = "module."  # DataParallel and DistributedDataParallel
_OTHER_ARCHITECTURE: Final = "Name the architecture that it was trained with."


@dataclass(frozen=True)
class Checkpoint:
    """A state dict and the SHA-256 of the file it came from."""

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]


def load_checkpoint(
    build: Callable[[], nn.Module], path: Path, *, hint: str | None = None
) -> tuple[nn.Module, Checkpoint]:
    """Reads a checkpoint, builds the network and puts the weights into it, so that a bad file is told at once.

    Args:
        build: makes the network.
        path: of the checkpoint, as for `read_checkpoint`.
        hint: as for `load_into`.

    Raises:
        CheckpointError: as `read_checkpoint` and `load_into`.
    """
    checkpoint = read_checkpoint(path)
    network = build()
    load_into(network, checkpoint, hint=hint)
    return network, checkpoint


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a .pth, .pt or .safetensors state dict without running anything that is in it.

    A state dict inside a training checkpoint (`state_dict`, `model_state_dict`, `model`) is found, and the
    `module.` prefixes of DataParallel are stripped.

    Raises:
        CheckpointError: it cannot be read, is not a state dict, is damaged, or would run code.
    """
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from error
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return Checkpoint(path, sha256, _state_dict(content, path))


def load_into(network: nn.Module, checkpoint: Checkpoint, *, hint: str | None = None) -> None:
    """Puts the weights into the network.

    Args:
        network: its own weights are replaced; it keeps its precision.
        checkpoint: of any precision.
        hint: what to do when they do not fit; None gives the advice for a checkpoint that a user has named.

    Raises:
        CheckpointError: keys are missing or left over, shapes differ, or a weight is not finite.
    """
    own = network.state_dict()
    given = checkpoint.tensors
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    extra = [key for key in given if key not in own]
    if missing or extra:
        parts = [f"lacks {_some(missing)}"] * bool(missing) + [
            f"has {_some(extra)} that the network does not know"
        ] * bool(extra)
        raise CheckpointError(
            f"The checkpoint {checkpoint.path.name!r} does not fit {type(network).__name__}: it {' and '.join(parts)}. "
            f"{hint or _OTHER_ARCHITECTURE}"
        )
    wrong = [key for key in given if given[key].shape != own[key].shape]
    if wrong:
        raise CheckpointError(_shape_sentence(checkpoint, network, own, wrong, hint))
    for key, tensor in given.items():
        if unusable := _unusable(tensor, own[key]):
            raise CheckpointError(f"The checkpoint {checkpoint.path.name!r} cannot be used: {key} {unusable}.")
    broken = [key for key, tensor in given.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())]
    if broken:
        raise CheckpointError(
            f"The checkpoint {checkpoint.path.name!r} holds NaN or infinite values in {_some(broken)}; "
            "its training has diverged. Use an earlier checkpoint."
        )
    # On top of the network's own state, which carries the versions of its modules; plain dicts and safetensors do not.
    own.update(given)
    network.load_state_dict(own)


def _unusable(given: Tensor, own: Tensor) -> str | None:
    """Says what is wrong with the kind of a tensor, as the end of a sentence; None takes it."""
    if given.is_meta:
        return "has a shape and no values (it was saved on the meta device)"
    if given.is_quantized:
        return "is quantised; save the weights in float32"
    if given.layout != torch.strided:
        return f"is {given.layout}; save it as a dense tensor"
    if given.is_complex() and not own.is_complex():
        return "is complex, and the network would take its real part alone"
    return None


def _shape_sentence(
    checkpoint: Checkpoint, network: nn.Module, own: Mapping[str, Tensor], wrong: list[str], hint: str | None
) -> str:
    key = wrong[-1] if len(wrong) > 1 and wrong[-1].endswith("weight") else wrong[0]
    found, needed = list(checkpoint.tensors[key].shape), list(own[key].shape)
    sentence = (
        f"The checkpoint {checkpoint.path.name!r} does not fit {type(network).__name__}: {key} is {found}, "
        f"the network has {needed}"
    )
    if hint:
        return f"{sentence}. {hint}"
    if found[1:] == needed[1:] and len(wrong) <= 2:
        return f"{sentence}. It has {found[0]} classes: say `--num-classes {found[0]}` with labels for them."
    return f"{sentence} ({len(wrong)} tensors differ). {_OTHER_ARCHITECTURE}"


def _read_safetensors(path: Path) -> Any:  # noqa: ANN401
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The checkpoint {path.name!r} is not a readable safetensors file: {error}.") from error


def _read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever was pickled
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: a user only wants to know whether it loads
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _is_pickle(path):
            raise CheckpointError(f"The checkpoint {path.name!r} is not a PyTorch file or is damaged.") from error
        raise CheckpointError(
            f"The checkpoint {path.name!r} holds pickled Python objects, which could run code when loaded, and is "
            "refused. Save only the weights: `torch.save(model.state_dict(), FILE)`, or use safetensors."
        ) from error
    except RecursionError as error:
        raise CheckpointError(
            f"The checkpoint {path.name!r} is nested too deeply to be read; save only the weights: "
            "`torch.save(model.state_dict(), FILE)`."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, struct.error) as error:
        raise CheckpointError(f"The checkpoint {path.name!r} is not a PyTorch file or is damaged.") from error


def _is_pickle(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return file.read(2) in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"}


def _state_dict(content: object, path: Path) -> Mapping[str, Tensor]:
    for _ in range(2):  # a training checkpoint, perhaps around a wrapped module
        if isinstance(content, Mapping):
            inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
            content = content if inner is None else inner
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(
            f"The checkpoint {path.name!r} holds {_kind(content)}, not a state dict of named tensors."
        )
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(
            f"The checkpoint {path.name!r} is no state dict: {_some(strange)} are not tensors. "
            "Save only the weights: `torch.save(model.state_dict(), FILE)`."
        )
    prefixed = all(str(key).startswith(_PREFIX) for key in content)
    return {str(key).removeprefix(_PREFIX) if prefixed else str(key): value for key, value in content.items()}


def _kind(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:3])
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
