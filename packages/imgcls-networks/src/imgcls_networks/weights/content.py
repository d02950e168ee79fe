"""What a checkpoint holds, as plain containers of tensors, whatever containers it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from imgcls_networks.weights.inert_pickle import Foreign
from imgcls_networks.weights.numpy_pickle import bytes_in, number_in

_DEEPEST: Final = 40
_MAPPINGS: Final = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter"})


def plain(content: object, leaf_of: Callable[[Foreign], Any]) -> Any:  # noqa: ANN401
    """Makes plain containers of what a pickle held.

    Args:
        content: of `read_pickle`.
        leaf_of: gives the tensor or array for which something stands; None where it stands for neither.

    Returns:
        None, bool, int, float, str, bytes, list, dict, what `leaf_of` gave, and `Foreign` for everything
        else, which has all that belongs to it in its `items`.

    Raises:
        InertPickleError: of `leaf_of`.
    """
    seen: dict[int, Any] = {}

    def visit(value: Any, depth: int) -> Any:  # noqa: ANN401
        if not isinstance(value, dict | list | tuple | Foreign):
            return value
        if id(value) in seen:
            return seen[id(value)]
        if depth > _DEEPEST:
            return Foreign("something nested too deeply")
        if isinstance(value, dict):
            made = seen[id(value)] = {}
            made.update((_key(key), visit(one, depth + 1)) for key, one in value.items())
        elif isinstance(value, Foreign):
            made = leaf_of(value)
            made = number_in(value) if made is None else made
            if made is None and value.name == "_codecs.encode":
                made = bytes_in(value)
            if made is not None:
                seen[id(value)] = made
                return made
            made = seen[id(value)] = {} if value.name in _MAPPINGS else Foreign(value.name)
            (made if isinstance(made, dict) else made.items).update(
                (_key(key), visit(one, depth + 1)) for key, one in _members(value).items()
            )
        else:
            made = seen[id(value)] = []
            made.extend(visit(one, depth + 1) for one in value)
        return made

    return visit(content, 0)


def _members(value: Foreign) -> dict[Any, Any]:
    """Gives what belongs to an object: its attributes, arguments and entries."""
    members: dict[Any, Any] = {}
    pairs = value.args[0] if value.name in _MAPPINGS and value.args else None
    if isinstance(pairs, list):  # as Python 2 wrote an OrderedDict
        members.update((pair[0], pair[1]) for pair in pairs if isinstance(pair, tuple | list) and len(pair) == 2)
    elif value.name not in _MAPPINGS:
        members.update(enumerate(value.args))
    if value.name not in _MAPPINGS:  # there it is `_metadata` of a state dict
        for state in value.state if isinstance(value.state, tuple) else (value.state,):
            members.update(state if isinstance(state, dict) else {})
        if value.entries:
            members["entries"] = value.entries
    return members | value.items


def _key(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key
