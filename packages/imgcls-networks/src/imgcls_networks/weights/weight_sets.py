"""Which sets of weights a checkpoint holds: under which path, of how many tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imgcls_networks.weights.inert_pickle import Foreign
from imgcls_networks.weights.stored_tensor import StoredTensor

TOP: Final = "."
# Tensors below such names are an optimizer's, unless a name below says that they are averaged weights.
_OPTIMIZER: Final = re.compile(
    r"optim|scheduler|scaler|rng_state|momentum|exp_avg|^opt$|^grads?$|gradient", re.IGNORECASE
)
_AVERAGE: Final = re.compile(r"ema|averag|swa|shadow|slow|teacher|best", re.IGNORECASE)


@dataclass(frozen=True)
class WeightSet:
    """Tensors that lie side by side in a checkpoint.

    Args:
        path: as `--state-key` takes it; "." is the top of the file.
        tensors: by their names.
        refusal: why it cannot be taken, as the end of a sentence; None where it can.
    """

    path: str
    tensors: Mapping[str, StoredTensor]
    refusal: str | None = None


def find_sets(content: object) -> list[WeightSet]:
    """Finds the sets of weights in what `content.plain` gives; optimizers' tensors are none."""
    found: list[WeightSet] = []
    seen: set[int] = set()

    def visit(value: object, path: tuple[str, ...], *, passing: bool) -> None:
        if not isinstance(value, dict | list | Foreign) or id(value) in seen:
            return
        seen.add(id(value))
        name = ".".join(path) or TOP
        members = _members(value)
        if isinstance(value, Foreign) and {"_modules", "_parameters"} <= set(members):
            tensors = {str(i): tensor for i, tensor in enumerate(_tensors_below(value))}
            found.append(WeightSet(name, tensors, f"a whole pickled model ({value.name})"))
            return
        passing = passing or "param_groups" in members
        tensors = {str(key): one for key, one in members.items() if isinstance(one, StoredTensor)}
        if tensors and not passing:
            nameless = not any(isinstance(key, str) for key, one in members.items() if isinstance(one, StoredTensor))
            if not nameless or len(tensors) > 1:
                found.append(WeightSet(name, tensors, "a list without names" if nameless else None))
        for key, one in members.items():
            below = str(key)
            skips = (passing or _OPTIMIZER.search(below) is not None) and _AVERAGE.search(below) is None
            visit(one, (*path, below), passing=skips)

    visit(content, (), passing=False)
    return found


def _members(value: dict[Any, Any] | list[Any] | Foreign) -> Mapping[Any, Any]:
    if isinstance(value, list):
        pairs = [one for one in value if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)]
        return dict(pairs) if pairs and len(pairs) == len(value) else dict(enumerate(value))
    return value.items if isinstance(value, Foreign) else value


def _tensors_below(value: object) -> Iterable[StoredTensor]:
    waiting, seen = [value], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, StoredTensor):
            yield one
        elif isinstance(one, dict | list | Foreign) and id(one) not in seen:
            seen.add(id(one))
            waiting.extend(_members(one).values())
