"""Images inside plain tar files, as WebDataset lays them out; found by reading headers, read by byte ranges."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.entry import IMAGE_SUFFIXES, Entry, suffix
from imgcls_batch.sources.places import file_system, local_path, protocol_of, reason_of, remote_errors

# A remote tar file is read in blocks of this size while its headers are looked at.
_BLOCK_BYTES = 8 << 20


def tar_entries(place: str) -> Iterator[Entry]:
    """Gives the images of a tar file in the order in which they lie.

    Raises:
        SourceError: it cannot be read, or is not a plain tar file.
    """
    protocol = protocol_of(place)
    expected = (OSError,) if protocol == "file" else remote_errors(protocol)
    try:
        with _open(place, protocol) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.isreg() and suffix(member.name) in IMAGE_SUFFIXES:
                    yield Entry(f"{place}#{member.name}", place, member.offset_data, member.size)
                tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - else every header stays in memory
    except tarfile.TarError as error:
        raise SourceError(
            f"{place!r} cannot be read as a plain (uncompressed) tar file: {reason_of(error)}."
        ) from error
    except expected as error:
        raise SourceError(f"{place!r} cannot be read: {reason_of(error)}.") from error


def _open(place: str, protocol: str) -> Any:  # noqa: ANN401 - fsspec is untyped
    if protocol == "file":
        return local_path(place).open("rb")
    return file_system(protocol).open(place, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
