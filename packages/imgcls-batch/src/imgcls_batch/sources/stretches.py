"""Which images are read together: neighbours in a tar file in one request, small local files in one turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from imgcls_batch.sources.entry import TAR_SUFFIX, Entry, suffix

# Handing one image at a time to a thread costs as much as reading it; more than this would only wait in memory.
_MOST_IMAGES: Final = 32
_MOST_BYTES: Final = 2_000_000
# Of a file whose size nobody has told.
_USUAL_BYTES: Final = 100_000


def stretches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cuts images into those that are read together, in their order."""
    together: list[Entry] = []
    size = 0
    for entry in entries:
        size += entry.size_bytes or _USUAL_BYTES
        if together and (len(together) == _MOST_IMAGES or size > _MOST_BYTES or not _fit(together[0], entry)):
            yield together
            together, size = [], entry.size_bytes or _USUAL_BYTES
        together.append(entry)
    if together:
        yield together


def is_tar_stretch(entries: list[Entry]) -> bool:
    """Whether images lie in one tar file one behind the other, so that one request reads them all."""
    place = entries[0].container
    return len(entries) > 1 and place is not None and suffix(place) == TAR_SUFFIX


def _fit(first: Entry, other: Entry) -> bool:
    if first.container != other.container:
        return False
    if first.container is not None:
        behind = (other.position or 0) - (first.position or 0)
        return suffix(first.container) != TAR_SUFFIX or 0 <= behind <= _MOST_BYTES
    return _is_local(first.uri) and _is_local(other.uri)


def _is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith(("file://", "local://"))
