"""The `metadata_props` of an .onnx file, read from and written into its bytes; the rest of the file is the graph."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from imgcls_core.artifact.metadata import KEY_PREFIX
from imgcls_core.artifact.wire import WireError, encode_field, read_fields
from imgcls_core.errors import ArtifactMetadataError, ArtifactNotFoundError, ArtifactUnreadableError

# Of ONNX's ModelProto and StringStringEntryProto.
_METADATA_PROPS: Final = 14
_KEY, _VALUE = 1, 2
# Golden images take 2 MB; nothing else comes near.
_MAX_ENTRY_BYTES: Final = 64_000_000


@dataclass(frozen=True)
class FileParts:
    """What an .onnx file consists of: the SHA-256 of everything but its metadata, and the metadata."""

    graph_sha256: str
    props: Mapping[str, str]


def read_parts(path: Path) -> FileParts:
    """Reads the metadata of a file and hashes the rest, without a model being made of it or held in memory.

    Raises:
        ArtifactNotFoundError: no such file.
        ArtifactUnreadableError: it is not ONNX, or is cut off.
        ArtifactMetadataError: a key `imgcls.*` stands in it twice.
    """
    try:
        with path.open("rb") as file:
            return _parts(file, str(path))
    except FileNotFoundError:
        raise ArtifactNotFoundError(str(path)) from None
    except OSError as error:
        raise ArtifactUnreadableError(str(path), f"it cannot be read ({error.strerror or error}).") from error


def parts_of(content: bytes, *, path: str) -> FileParts:
    """Gives the parts of a file's content. Raises as `read_parts`; `path` is for the error text."""
    return _parts(io.BytesIO(content), path)


def with_props(content: bytes, props: Mapping[str, str] | Callable[[str], Mapping[str, str]]) -> bytes:
    """Gives the file with this metadata and no other; the bytes of everything else are as they were.

    Args:
        content: of the file.
        props: the metadata, or what makes it from the SHA-256 of everything else.

    Raises:
        WireError: it is not ONNX, or is cut off.
    """
    rest: list[bytes] = []
    for field in read_fields(io.BytesIO(content)):
        value = field.value()
        if field.number != _METADATA_PROPS:
            rest += [field.head, value]
    graph = b"".join(rest)
    if callable(props):
        props = props(hashlib.sha256(graph).hexdigest())
    entries = [encode_field(_KEY, key.encode()) + encode_field(_VALUE, value.encode()) for key, value in props.items()]
    return b"".join([graph, *(encode_field(_METADATA_PROPS, entry) for entry in entries)])


def _parts(file: BinaryIO, path: str) -> FileParts:
    digest = hashlib.sha256()
    props: dict[str, str] = {}
    try:
        for field in read_fields(file):
            if field.number == _METADATA_PROPS:
                if field.size > _MAX_ENTRY_BYTES:
                    raise WireError(f"an entry of the metadata has {field.size:,} bytes")
                key, value = _entry(field.value())
                if key in props and key.startswith(KEY_PREFIX):
                    raise ArtifactMetadataError(path, f"its metadata has {key} twice")
                props[key] = value
                continue
            digest.update(field.head)
            for chunk in field.chunks():
                digest.update(chunk)
    except (WireError, UnicodeDecodeError) as error:
        raise ArtifactUnreadableError(path, f"it is not ONNX, or is cut off ({error}).") from error
    if not props and digest.digest() == hashlib.sha256().digest():
        raise ArtifactUnreadableError(path, "it is not ONNX: it is empty.")
    return FileParts(digest.hexdigest(), props)


def _entry(encoded: bytes) -> tuple[str, str]:
    texts = {field.number: field.value().decode() for field in read_fields(io.BytesIO(encoded))}
    return texts.get(_KEY, ""), texts.get(_VALUE, "")
