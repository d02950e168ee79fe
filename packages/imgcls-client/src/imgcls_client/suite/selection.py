"""All checks there are, and choosing among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from imgcls_sdk.errors import SettingsError

from imgcls_client.suite.check import Check
from imgcls_client.suite.checks import (
    correctness,
    identity,
    image_kinds,
    paths,
    performance,
    platform,
    protocol,
    robustness,
    security,
)

_MODULES = (identity, correctness, paths, image_kinds, robustness, protocol, security, performance, platform)
ALL_CHECKS: tuple[Check, ...] = tuple(check for module in _MODULES for check in module.GROUP.checks)
# What can be asked of each model by itself.
_OF_A_MODEL = frozenset({"identity", "correctness", "paths", "images"})


def of_model(checks: Iterable[Check], model: str) -> tuple[Check, ...]:
    """Gives the checks of a model's answers, named after it."""
    return tuple(replace(each, name=f"{each.name}@{model}") for each in checks if each.group in _OF_A_MODEL)


def choose(only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Check, ...]:
    """Chooses checks by the names of groups and checks, in the suite's order.

    Raises:
        SettingsError: a name is neither a group nor a check.
    """
    only, skip = frozenset(only), frozenset(skip)
    names = {check: {check.group, check.name} for check in ALL_CHECKS}
    if unknown := sorted((only | skip) - set().union(*names.values())):
        groups = ", ".join(dict.fromkeys(check.group for check in ALL_CHECKS))
        raise SettingsError(
            f"There is no check or group {unknown[0]!r}; groups are {groups}, `suite --list` names all."
        )
    return tuple(check for check, known in names.items() if (not only or known & only) and not known & skip)
