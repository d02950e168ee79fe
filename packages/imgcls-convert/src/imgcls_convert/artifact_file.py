"""Writes artifacts: metadata into the model, and files all at once or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from imgcls_core.artifact import ArtifactMetadata
from onnx import ModelProto

from imgcls_convert.errors import ConversionError

_PROTOBUF_LIMIT_BYTES = 2_000_000_000


def with_metadata(model: ModelProto, metadata: ArtifactMetadata) -> bytes:
    """Puts the metadata into the model and serialises it.

    Raises:
        ConversionError: beyond protobuf's 2 GB, which one self-contained file cannot exceed.
    """
    del model.metadata_props[:]
    for key, value in metadata.to_props().items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    if (size := model.ByteSize()) > _PROTOBUF_LIMIT_BYTES:
        raise ConversionError(
            f"The artifact would have {size / 1e9:.1f} GB; one ONNX file holds at most 2 GB. Convert a smaller network."
        )
    return model.SerializeToString(deterministic=True)


@contextmanager
def scratch_folder(output: Path) -> Generator[Path]:
    """A folder beside the output for unfinished files; it is gone afterwards, whatever happens.

    Raises:
        ConversionError: the disk is full or the place is gone.
    """
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.stem}-", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise ConversionError(
            f"{str(output)!r} cannot be written: {error.strerror or error}. Nothing is left behind."
        ) from error
    finally:
        for folder in made:
            try:
                folder.rmdir()
            except OSError:
                break


def move_into_place(files: dict[Path, Path]) -> None:
    """Moves finished files (from → to) with one rename each, in that order, on the same disk."""
    for source, target in files.items():
        with source.open("rb+") as file:
            os.fsync(file.fileno())
        source.replace(target)
