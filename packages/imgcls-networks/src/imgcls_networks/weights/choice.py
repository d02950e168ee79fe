"""Which set of a checkpoint's weights is meant for a network, and how its names become the network's. Never guesses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.inert_pickle import Foreign
from imgcls_networks.weights.stored_tensor import StoredTensor
from imgcls_networks.weights.weight_sets import TOP, WeightSet, find_sets

# Parts of names that torch.compile, FSDP, activation checkpoints, and DistributedDataParallel put in, in this order.
_WRAPPERS: Final = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module")
# What belongs to the training around a network, and to no layer of it.
_OF_TRAINING: Final = re.compile(
    r"(^|\.)(n_averaged|num_updates|decay|initted|step|total_ops|total_params)$|loss|criterion|metric|accuracy|auroc|f1score|confusion|(^|_)acc(_|\.|$)",
    re.IGNORECASE,
)
_COUNTED: Final = (".total_ops", ".total_params")  # beside each layer, where thop has counted its operations
_DEEPEST_PREFIX: Final = 8
_SMALL_PART: Final = 0.1  # sets with fewer of the greatest set's tensors are a loss's or a metric's

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Reading:
    """One way to take weights for a network out of a checkpoint.

    Args:
        of: the set.
        prefix: taken off the names.
        dropped: parts of names that were left out wherever they stood.
        tensors: by the network's names, where they fit.
        left: names of the set that do not begin with the prefix.
        same: paths of other sets that hold the same weights.
    """

    of: WeightSet
    prefix: str
    dropped: Sequence[str]
    tensors: Mapping[str, StoredTensor]
    left: Sequence[str]
    same: Sequence[str] = ()

    @property
    def path(self) -> str:
        """As `--state-key` takes it, prefix included."""
        return ".".join(filter(None, [self.of.path.removeprefix(TOP), self.prefix.rstrip(".")])) or TOP


def choose_weights(content: object, own: Shapes, *, file: str, network: str, key: str | None) -> Reading:
    """Finds the one set that is meant.

    Args:
        content: of `content.plain`.
        own: what the network has.
        file: name of the checkpoint, for errors.
        network: name of the network, for errors.
        key: what the user chose; None leaves it to the file, which may then hold only one that could be meant.

    Raises:
        CheckpointError: no set, none by that key, or more than one that could be meant.
    """
    own = {name: shape for name, shape in own.items() if not name.endswith("num_batches_tracked")}
    sets = find_sets(content)
    if not sets:
        kind = "nothing" if not content else f"a {getattr(content, 'name', type(content).__name__)}"
        kind = "a Tensor" if isinstance(content, StoredTensor) else kind
        raise CheckpointError(f"The checkpoint {file!r} holds {kind}, not a state dict of named tensors.")
    readings = [reading for one in sets for reading in readings_of(one, own)]
    if key is not None:
        readings, sets = _keyed(readings, sets, own, file, key)
    if not readings:
        greatest = max(len(one.tensors) for one in sets)
        sets = [one for one in sets if len(one.tensors) > _SMALL_PART * greatest]
        if len(sets) > 1:
            raise CheckpointError(
                f"The checkpoint {file!r} holds {len(sets)} sets of tensors, and none fits {network}: {_listed(sets)}. "
                "Name the architecture that it was trained with, or say which set is meant: `--state-key NAME`."
            )
        readings = [_fallback(sets[0], own)]
    if len(readings) > 1 and not _all_the_same(readings, own):
        paths = [reading.of for reading in readings]
        if len({one.path for one in paths}) < len(paths):
            paths = [WeightSet(reading.path, reading.tensors, reading.of.refusal) for reading in readings]
        raise CheckpointError(
            f"The checkpoint {file!r} holds {len(readings)} sets of weights that could be meant: {_listed(paths)}. "
            "Say which: `--state-key NAME`."
        )
    chosen = replace(readings[0], same=[reading.path for reading in readings[1:]])
    if chosen.of.refusal:
        raise CheckpointError(_refusal(chosen.of, file))
    if (layers := _layers(chosen.left)) and key != chosen.path:
        raise CheckpointError(
            f"The checkpoint {file!r} holds weights for {network} below {chosen.path!r}, and beside them "
            f"{some(layers)}, which {network} does not have. Name the network that has them, too, or leave them "
            f"out: `--state-key {chosen.path}`."
        )
    return chosen


def describe(chosen: Reading, content: object, file: str) -> str | None:
    """Says what was done with a file; None where it held the weights and nothing else."""
    left = Counter(n.rpartition(".")[2] if f".{n}".endswith(_COUNTED) else n.partition(".")[0] for n in chosen.left)
    over = [*(f"{name} ({_tensors(count)})" for name, count in left.items()), *_beside(content, chosen.of.path)]
    parts = [f"took {chosen.path if left else chosen.of.path} ({_tensors(len(chosen.tensors))})"] * (
        chosen.of.path != TOP or bool(left)
    )
    if chosen.same:
        parts.append(f"the same weights are in {some(chosen.same)}")
    if chosen.prefix and not left:
        parts.append(f"took the prefix {chosen.prefix!r} off the names")
    parts += [f"took {name!r} out of the names" for name in chosen.dropped]
    parts += [f"passed over {some(over, 8)}"] * bool(over)
    return f"{file}: {'; '.join(parts)}" if parts else None


def some(names: Sequence[str], most: int = 3) -> str:
    """Names a few, and says how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def readings_of(one: WeightSet, own: Shapes) -> list[Reading]:
    """Gives the ways in which a set could be meant: at least half of the network's tensors are in it."""
    half = max(1, (len(own) + 1) // 2)
    if not one.refusal:
        dropped, tensors, hits = max(
            ((drop, names, _prefixes(names, own)) for drop, names in _unwrapped(one.tensors)),
            key=lambda way: max(way[2].values(), default=0),
        )
        kept = [prefix for prefix, count in hits.items() if count >= half]
        if kept:
            return [_reading(one, prefix, dropped, tensors, kept) for prefix in kept]
    shapes = Counter(tensor.shape for tensor in one.tensors.values())
    return [_fallback(one, own)] if (shapes & Counter(own.values())).total() >= half else []


def _fallback(one: WeightSet, own: Shapes) -> Reading:
    """Takes a set that does not fit, with the names that come nearest, so that an error can say what differs."""
    dropped, tensors, hits = max(
        ((drop, names, _prefixes(names, dict.fromkeys(own))) for drop, names in _unwrapped(one.tensors)),
        key=lambda way: max(way[2].values(), default=0),
    )
    prefix, count = max(hits.items(), key=lambda hit: hit[1], default=("", 0))
    return _reading(one, prefix if 2 * count >= len(own) else "", dropped, tensors)


def _reading(
    one: WeightSet,
    prefix: str,
    dropped: Sequence[str],
    tensors: Mapping[str, StoredTensor],
    prefixes: Sequence[str] = (),
) -> Reading:
    # Another set may lie below this one's prefix, as an average does that is an attribute of the network.
    others = tuple(other for other in prefixes if other != prefix and other.startswith(prefix))
    left = [n for n in tensors if not n.startswith(prefix) or n.startswith(others) or f".{n}".endswith(_COUNTED)]
    beside = set(left)
    fitting = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name not in beside}
    return Reading(one, prefix, dropped, fitting, left)


def _unwrapped(tensors: Mapping[str, StoredTensor]) -> list[tuple[Sequence[str], Mapping[str, StoredTensor]]]:
    """Gives the tensors under their names, and under the names without what wrappers put in."""
    ways: list[tuple[Sequence[str], Mapping[str, StoredTensor]]] = [((), tensors)]
    for count in (len(_WRAPPERS) - 1, len(_WRAPPERS)):
        out = _WRAPPERS[:count]
        renamed = {".".join(p for p in name.split(".") if p not in out): tensor for name, tensor in tensors.items()}
        if len(renamed) == len(tensors) and list(renamed) != list(ways[-1][1]):
            parts = {part for name in tensors for part in name.split(".")}
            ways.append(([name for name in out if name in parts], renamed))
    return ways


def _prefixes(tensors: Mapping[str, StoredTensor], own: Mapping[str, tuple[int, ...] | None]) -> Counter[str]:
    """Counts, for each prefix, the names that are the network's without it (and the shapes, where they are known)."""
    hits: Counter[str] = Counter()
    for name, tensor in tensors.items():
        cut = 0
        for _ in range(_DEEPEST_PREFIX):
            needed = own.get(name[cut:], ())
            if name[cut:] in own and (needed is None or needed == tensor.shape):
                hits[name[:cut]] += 1
            cut = name.find(".", cut) + 1
            if not cut:
                break
    return hits


def _keyed(
    readings: list[Reading], sets: list[WeightSet], own: Shapes, file: str, key: str
) -> tuple[list[Reading], list[WeightSet]]:
    """Keeps what the user chose: a set, what is in it, or what begins with a prefix in it."""

    def within(path: str) -> bool:
        return path == key or path.startswith(f"{key}.")

    chosen = [one for one in readings if one.path == key] or [
        one for one in readings if within(one.of.path) or within(one.path)
    ]
    below = [one for one in sets if within(one.path)]
    if not chosen and not below:
        prefixed = [
            (one, f"{key}.".removeprefix("" if one.path == TOP else f"{one.path}."))
            for one in sets
            if not one.refusal and (one.path == TOP or key.startswith(f"{one.path}."))
        ]
        below = [
            WeightSet(key, inner)
            for one, prefix in prefixed
            if (inner := {n.removeprefix(prefix): t for n, t in one.tensors.items() if n.startswith(prefix)})
        ]
        chosen = [reading for one in below for reading in readings_of(one, own)]
    if not chosen and not below:
        raise CheckpointError(
            f"The checkpoint {file!r} has no set of weights {key!r} (`--state-key`); it has {_listed(sets)}."
        )
    return chosen, below


def _layers(left: Sequence[str]) -> list[str]:
    return [name for name in left if not _OF_TRAINING.search(name)]


def _all_the_same(readings: Sequence[Reading], own: Shapes) -> bool:
    first, *others = readings
    if any(one.of.refusal or _layers(one.left) for one in readings):
        return False
    for other in others:
        for name, shape in own.items():
            mine, its = first.tensors.get(name), other.tensors.get(name)
            if mine is None or its is None or mine.refusal or its.refusal or not mine.shape == its.shape == shape:
                return False
            if not torch.equal(mine.read(), its.read()):
                return False
    return True


def _listed(sets: Sequence[WeightSet]) -> str:
    greatest = sorted(sets, key=lambda one: -len(one.tensors))
    names = [
        f"{one.path} ({_tensors(len(one.tensors))}{f', {one.refusal}' if one.refusal else ''})"
        for one in greatest[:_MOST_LISTED]
    ]
    return some(names + [one.path for one in greatest[_MOST_LISTED:]], _MOST_LISTED)


_MOST_LISTED: Final = 6


def _tensors(count: int) -> str:
    return f"{count} tensor{'s' * (count != 1)}"


def _refusal(one: WeightSet, file: str) -> str:
    if not (one.refusal or "").startswith("a whole"):
        return (
            f"The checkpoint {file!r} holds {one.path} as {one.refusal}, so that nobody can say which is which; save "
            "`model.state_dict()`, or choose another set: `--state-key NAME`."
        )
    inner = "" if one.path == TOP else "".join(f"[{part!r}]" for part in one.path.split("."))
    return (
        f"The checkpoint {file!r} holds {one.refusal}, a pickled Python object, which could run code when loaded, and "
        "is refused. Where its code is installed and you trust it, keep its weights alone:\n"
        "    import torch\n"
        f"    model = torch.load({file!r}, map_location='cpu', weights_only=False){inner}\n"
        "    torch.save(model.state_dict(), 'weights.pth')\n"
        "and give that file with `--weights weights.pth`."
    )


def _beside(content: Any, path: str) -> list[str]:  # noqa: ANN401
    """Names what lies at the top of a file beside the path that was taken."""
    members = content.items if isinstance(content, Foreign) else content if isinstance(content, dict) else {}
    return [
        f"{key} ({one.name})" if isinstance(one, Foreign) else str(key)
        for key, one in members.items()
        if not f"{path}.".startswith(f"{key}.") and not (path == TOP and isinstance(one, StoredTensor))
    ]
