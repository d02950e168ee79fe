"""Weights from a file, read so that it cannot run code, and put into a network with plain words on misfits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.checkpoint_file import read_content
from imgcls_networks.weights.choice import Reading, choose_weights, describe, readings_of, some
from imgcls_networks.weights.inert_pickle import InertPickleError
from imgcls_networks.weights.stored_tensor import StoredTensor
from imgcls_networks.weights.weight_sets import find_sets

_OTHER_ARCHITECTURE: Final = "Name the architecture that it was trained with."
# What wrappers of PyTorch make of a layer's weight, and what takes them off.
_WRAPPED: Final = {
    "_orig": "It was pruned: `torch.nn.utils.prune.remove(LAYER, 'weight')` before saving makes plain weights of it.",
    "_g": "It has weight norms: `torch.nn.utils.remove_weight_norm(LAYER)` before saving makes plain weights of it.",
    ".original0": "It is parametrised: `torch.nn.utils.parametrize.remove_parametrizations(LAYER, 'weight')` before "
    "saving makes plain weights of it.",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Args:
        path: of the file, or of the index of several.
        sha256: of the file; of several, that of their names and sums.
        content: containers and tensors, as `content.plain` gives them.
    """

    path: Path
    sha256: str
    content: Any


@dataclass(frozen=True)
class ChosenWeights:
    """The weights of a checkpoint that are meant for a network.

    Args:
        checkpoint: the file.
        tensors: by the network's names, where they fit.
        key: which set of the file was asked for; None where the file leaves no choice.
        note: what was done with the file; None where it held nothing else.
    """

    checkpoint: Checkpoint
    tensors: Mapping[str, StoredTensor]
    key: str | None
    note: str | None


def load_checkpoint(
    build: Callable[[], nn.Module], path: Path, *, state_key: str | None = None, hint: str | None = None
) -> tuple[nn.Module, ChosenWeights]:
    """Reads a checkpoint, builds the network and puts the weights into it, so that a bad file is told at once.

    Args:
        build: makes the network.
        path: of the checkpoint, as for `read_checkpoint`.
        state_key: as for `choose`.
        hint: as for `load_into`.

    Raises:
        CheckpointError: as `read_checkpoint`, `choose` and `load_into`.
    """
    checkpoint = read_checkpoint(path)
    network = build()
    weights = choose(checkpoint, network, state_key)
    load_into(network, weights, hint=hint)
    return network, weights


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a file of weights, of PyTorch or safetensors, or the index of several, without running anything in it.

    Raises:
        CheckpointError: it cannot be read, is of another kind, or is damaged.
    """
    try:
        sha256, content = read_content(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise CheckpointError(f"The checkpoint {path.name!r} is not a readable safetensors file: {error}.") from error
    except InertPickleError as error:
        raise CheckpointError(
            f"The checkpoint {path.name!r} is not a PyTorch file or is damaged: {error}. "
            "Name the file that `torch.save(model.state_dict(), FILE)` wrote, or copy it anew."
        ) from error
    return Checkpoint(path, sha256, content)


def choose(checkpoint: Checkpoint, network: nn.Module, state_key: str | None = None) -> ChosenWeights:
    """Finds the weights for a network in a checkpoint.

    Args:
        checkpoint: of `read_checkpoint`.
        network: names and shapes decide what could be meant.
        state_key: path of a set in the file, with dots; None where the file leaves no choice. `A+B` takes from B the
            buffers that A lacks, as averages of the parameters alone do.

    Raises:
        CheckpointError: there are none, several sets could be meant, or buffers must come from another.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    file, content = checkpoint.path.name, checkpoint.content

    def ask(key: str | None) -> Reading:
        return choose_weights(content, own, file=file, network=type(network).__name__, key=key)

    key, _, other = (state_key or "").partition("+")
    chosen = ask(key if other else state_key)
    note, tensors = describe(chosen, content, file), chosen.tensors
    lacking = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    buffers = [name for name, _ in network.named_buffers() if name in lacking]
    if other:
        more = ask(other).tensors
        taken = {name: more[name] for name in buffers if name in more}
        tensors = {**tensors, **taken}
        note = f"{note or file}; took the buffers that {key} lacks from {other}: {some([*taken]) or 'it lacks none'}"
    elif lacking and len(buffers) == len(lacking) and tensors.keys() <= own.keys():
        ways = (way for one in find_sets(content) for way in readings_of(one, own))
        path = next((way.path for way in ways if way.tensors.keys() >= {*lacking}), None)
        raise CheckpointError(
            f"The checkpoint {file!r} holds {chosen.path} without {some(lacking)} of {type(network).__name__}, as an "
            "average of the parameters alone does. "
            + (
                f"`--state-key {chosen.path}+{path}` takes these from {path!r}."
                if path
                else "Save the averaged model's whole `state_dict()`."
            )
        )
    return ChosenWeights(checkpoint, tensors, state_key, note)


def load_into(network: nn.Module, weights: ChosenWeights, *, hint: str | None = None) -> None:
    """Puts the weights into the network.

    Args:
        network: its own weights are replaced; it keeps its precision.
        weights: of any precision.
        hint: what to do when they do not fit; None gives the advice for a checkpoint that a user has named.

    Raises:
        CheckpointError: keys are missing or left over, shapes differ, or a weight is not finite.
    """
    own = network.state_dict()
    given, file = weights.tensors, weights.checkpoint.path.name
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    extra = [key for key in given if key not in own]
    if missing or extra:
        parts = [f"lacks {some(missing)}"] * bool(missing) + [
            f"has {some(extra)} that the network does not know"
        ] * bool(extra)
        wrapped = (advice for end, advice in _WRAPPED.items() if any(key.endswith(f"weight{end}") for key in extra))
        raise CheckpointError(
            f"The checkpoint {file!r} does not fit {type(network).__name__}: it {' and '.join(parts)}. "
            f"{hint or next(wrapped, _OTHER_ARCHITECTURE)}"
        )
    for key, stored in given.items():
        if stored.refusal:
            raise CheckpointError(f"The checkpoint {file!r} cannot be used: {key} {stored.refusal}.")
    wrong = [key for key in given if given[key].shape != own[key].shape]
    if wrong:
        raise CheckpointError(_shape_sentence(weights, network, own, wrong, hint))
    broken: list[str] = []
    for key, stored in given.items():
        tensor = _read(stored, own[key], key, file)
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            broken.append(key)
        # On top of the network's own state, which carries the versions of its modules; plain dicts do not.
        own[key] = tensor
    if broken:
        raise CheckpointError(
            f"The checkpoint {file!r} holds NaN or infinite values in {some(broken)}; "
            "its training has diverged. Use an earlier checkpoint."
        )
    network.load_state_dict(own)


def named_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Reads all tensors of a file that holds nothing else, for a library that puts them into its network itself.

    Raises:
        CheckpointError: it holds something else, is damaged, or a tensor is of a kind that no network takes.
    """
    file, content = checkpoint.path.name, checkpoint.content
    strange = [key for key, value in content.items() if not isinstance(value, StoredTensor)] if content else ["nothing"]
    if not isinstance(content, dict) or strange:
        raise CheckpointError(f"The checkpoint {file!r} holds {some(strange)}, where weights by name are expected.")
    return {key: _read(stored, None, key, file) for key, stored in content.items()}


def _read(stored: StoredTensor, own: Tensor | None, key: str, file: str) -> Tensor:
    if stored.refusal:
        raise CheckpointError(f"The checkpoint {file!r} cannot be used: {key} {stored.refusal}.")
    try:
        tensor = stored.read()
    except (InertPickleError, SafetensorError, OSError) as error:
        raise CheckpointError(f"The checkpoint {file!r} is damaged: {key}: {error}.") from error
    if own is not None and (unusable := _unusable(tensor, own)):
        raise CheckpointError(f"The checkpoint {file!r} cannot be used: {key} {unusable}.")
    return tensor


def _unusable(given: Tensor, own: Tensor) -> str | None:
    """Says what is wrong with the kind of a tensor, as the end of a sentence; None takes it."""
    if given.is_complex() and not own.is_complex():
        return "is complex, and the network would take its real part alone"
    if own.is_floating_point() and (not given.is_floating_point() or given.dtype.itemsize < torch.float16.itemsize):
        return f"is {str(given.dtype).removeprefix('torch.')}, quantised perhaps; save the weights in float32"
    return None


def _shape_sentence(
    weights: ChosenWeights, network: nn.Module, own: Mapping[str, Tensor], wrong: list[str], hint: str | None
) -> str:
    key = wrong[-1] if len(wrong) > 1 and wrong[-1].endswith("weight") else wrong[0]
    found, needed = list(weights.tensors[key].shape), list(own[key].shape)
    sentence = (
        f"The checkpoint {weights.checkpoint.path.name!r} does not fit {type(network).__name__}: {key} is {found}, "
        f"the network has {needed}"
    )
    if hint:
        return f"{sentence}. {hint}"
    if 0 in found:
        return (
            f"The checkpoint {weights.checkpoint.path.name!r} holds {key} empty, as DeepSpeed leaves what is spread "
            "over processes: gather it with `python zero_to_fp32.py . weights`, and give that folder."
        )
    if found[1:] == needed[1:] and len(wrong) <= 2:
        return f"{sentence}. It has {found[0]} classes: say `--num-classes {found[0]}` with labels for them."
    return f"{sentence} ({len(wrong)} tensors differ). {_OTHER_ARCHITECTURE}"
