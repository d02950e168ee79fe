"""The seal: one SHA-256 over everything that decides an answer or describes it, so that an edited artifact is seen.

docs/artifact-format.md defines it, so that others can compute it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
from imgcls_contract.classification import decoder_of
from msgspec import Struct

from imgcls_core.artifact.metadata import KEY_PREFIX, ArtifactMetadata
from imgcls_core.artifact.props import FileParts, read_parts, with_props
from imgcls_core.errors import SealBrokenError

SEAL_KEY: Final = f"{KEY_PREFIX}seal"
SIGNATURES_KEY: Final = f"{KEY_PREFIX}signatures"

_WORDS: Final[Mapping[str, str]] = {
    "graph": "the graph and its weights",
    "schema": "the schema number",
    "name": "its name",
    "classes": "the labels",
    "preprocessing": "the preprocessing",
    "source": "what it says of its origin and precision (source)",
    "parity": "what its conversion measured (parity)",
    "golden": "the golden cases",
    "reference": "the reference distribution",
}


class Seal(Struct, frozen=True):
    """The hashes of an artifact's parts, and the seal over all of them.

    Attributes:
        algorithm: how they are made.
        parts: `graph`, and each key `imgcls.NAME` under its NAME.
        seal: SHA-256 over the parts' names and hashes.
    """

    algorithm: Literal["sha256"]
    parts: Mapping[str, str]
    seal: str


def sealed_artifact(graph: bytes, metadata: ArtifactMetadata) -> bytes:
    """Gives the content of an artifact's file: the serialised model with its metadata and its seal.

    Args:
        graph: the serialised model; metadata that it already has is left aside.
        metadata: everything that the artifact says of itself.
    """
    props = metadata.to_props()

    def sealed(graph_sha256: str) -> dict[str, str]:
        return {**props, SEAL_KEY: msgspec.json.encode(_seal_over(FileParts(graph_sha256, props))).decode()}

    return with_props(graph, sealed)


def check_seal(path: Path) -> Seal | None:
    """Raises if a file was changed after it was sealed.

    Returns:
        Its seal; None of a file that carries none, as those of before.

    Raises:
        SealBrokenError: names the parts that were changed, added or taken away.
        ArtifactError: it cannot be read.
    """
    return checked_seal(read_parts(path), path=str(path))


def checked_seal(parts: FileParts, *, path: str) -> Seal | None:
    """Gives the seal of a file that was read. Raises as `check_seal`; `path` is for the error text."""
    if (text := parts.props.get(SEAL_KEY)) is None:
        return None
    try:
        carried: Seal = decoder_of(Seal).decode(text)
    except msgspec.DecodeError as error:
        raise SealBrokenError(path, f"damaged: the seal itself ({error})") from error
    actual = _seal_over(parts)
    if actual == carried:
        return actual
    changes = _changes(carried.parts, actual.parts) or ["changed: the seal itself"]
    raise SealBrokenError(path, "; ".join(changes))


def _seal_over(parts: FileParts) -> Seal:
    hashes = {"graph": parts.graph_sha256} | {
        key.removeprefix(KEY_PREFIX): hashlib.sha256(value.encode()).hexdigest()
        for key, value in parts.props.items()
        if key.startswith(KEY_PREFIX) and key not in {SEAL_KEY, SIGNATURES_KEY}
    }
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return Seal("sha256", hashes, hashlib.sha256(lines.encode()).hexdigest())


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    known = [name for name in _WORDS if name in before or name in now]
    names = [*known, *sorted({*before, *now} - {*known})]
    groups = {
        "changed": [name for name in names if name in before and name in now and before[name] != now[name]],
        "added": [name for name in names if name not in before],
        "taken away": [name for name in names if name not in now],
    }
    return [
        f"{what}: {', '.join(_WORDS.get(name, repr(KEY_PREFIX + name)) for name in group)}"
        for what, group in groups.items()
        if group
    ]
