"""The `metadata_props` of an .onnx file, read from and written into its bytes; the rest of the file is the graph."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgcls_core.artifact.metadata import KEY_PREFIX
from imgcls_core.artifact.wire import WireError, encode_field, read_fields
from imgcls_core.errors import ArtifactMetadataError, ArtifactNotFoundError, ArtifactUnreadableError

# Of ONNX's ModelProto and StringStringEntryProto.
_METADATA_PROPS: Final = 14
_KEY, _VALUE = 1, 2


@dataclass(frozen=True)
class FileParts:
    """What an .onnx file consists of: the SHA-256 of everything but its metadata, and the metadata."""

    graph_sha256: str
    props: Mapping[str, str]


def read_parts(path: Path) -> FileParts:
    """Reads the metadata of a file and hashes the rest, without a model being made of it.

    Raises:
        ArtifactNotFoundError: no such file.
        ArtifactUnreadableError: it is not ONNX, or is cut off.
        ArtifactMetadataError: a key `imgcls.*` stands in it twice.
    """
    with _mapped(path) as content:
        return parts_of(content, path=str(path))


def parts_of(content: memoryview, *, path: str) -> FileParts:
    """Gives the parts of a file's content. Raises as `read_parts`; `path` is for the error text."""
    digest = hashlib.sha256()
    props: dict[str, str] = {}
    try:
        for field in read_fields(content):
            if field.number != _METADATA_PROPS:
                digest.update(content[field.start : field.end])
                continue
            entry = bytes(content[field.value : field.end])
            texts = {one.number: entry[one.value : one.end].decode() for one in read_fields(memoryview(entry))}
            key, value = texts.get(_KEY, ""), texts.get(_VALUE, "")
            if key in props and key.startswith(KEY_PREFIX):
                raise ArtifactMetadataError(path, f"its metadata has {key} twice")
            props[key] = value
    except (WireError, UnicodeDecodeError) as error:
        raise ArtifactUnreadableError(path, f"it is not ONNX, or is cut off: it has {error}.") from error
    return FileParts(digest.hexdigest(), props)


def with_props(content: bytes, props: Mapping[str, str]) -> bytes:
    """Gives the file with this metadata and no other; the bytes of everything else are as they were.

    Raises:
        WireError: it is not ONNX, or is cut off.
    """
    view = memoryview(content)
    rest = [view[field.start : field.end] for field in read_fields(view) if field.number != _METADATA_PROPS]
    entries = [encode_field(_KEY, key.encode()) + encode_field(_VALUE, value.encode()) for key, value in props.items()]
    return b"".join([*rest, *(encode_field(_METADATA_PROPS, entry) for entry in entries)])


@contextmanager
def _mapped(path: Path) -> Generator[memoryview]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ArtifactNotFoundError(str(path)) from None
    except OSError as error:
        raise ArtifactUnreadableError(str(path), f"it cannot be read ({error.strerror or error}).") from error
    with file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise ArtifactUnreadableError(str(path), f"it is not ONNX ({error}).") from error
        with mapped, memoryview(mapped) as content:
            yield content
