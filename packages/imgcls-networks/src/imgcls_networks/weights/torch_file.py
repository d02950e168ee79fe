"""Files of `torch.save`, of every release: zip archives since 1.6, rows of pickles before, tar archives once."""

from __future__ import annotations

import io
import mmap
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final, cast

from imgcls_networks.weights.content import plain
from imgcls_networks.weights.inert_pickle import PERSISTENT, Foreign, InertPickleError, read_pickle
from imgcls_networks.weights.storages import ReadStorage, read_row, sizes_of
from imgcls_networks.weights.stored_tensor import StoredTensor, tensor_in

_MOST_PICKLE_BYTES: Final = 512 << 20
# Weights hardly shrink when they are packed. What unpacks to far more was made to fill the memory.
_MOST_UNPACKED: Final = 200
_DAMAGE: Final = (
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def read_torch_file(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    """Reads a file without running anything in it; of tensors the description alone.

    Returns:
        As `content.plain` gives it.

    Raises:
        InertPickleError: it is none of these files, or is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(512)
    reader = _read_zip if start.startswith(b"PK\x03\x04") else _read_tar if start[257:262] == b"ustar" else _read_row
    try:
        return reader(path)
    except InertPickleError:
        raise
    except (*_DAMAGE, AttributeError, TypeError, tarfile.TarError, MemoryError) as error:
        raise InertPickleError("it is damaged, or of another kind") from error


def _read_zip(path: Path) -> Any:  # noqa: ANN401
    archive = zipfile.ZipFile(path)  # stays open for as long as somebody may want the tensors
    names = archive.namelist()
    pickled = next((name for name in names if name.endswith("data.pkl") and name.count("/") <= 1), None)
    root = (pickled or "").removesuffix("data.pkl")
    if pickled is None or len(set(names)) < len(names):
        raise _other_archive("zip", names)
    if f"{root}constants.pkl" in names:
        raise InertPickleError("it is a TorchScript program, which has its weights in it: give it as MODEL")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() == b"big":
        raise InertPickleError("it was saved on a big-endian machine; save it again on another")
    found = read_pickle(io.BytesIO(_unpacked(archive, pickled, _MOST_PICKLE_BYTES)))
    sizes = sizes_of(found.persistent)
    return plain(
        found.content, _tensors(_guarded(lambda key, _: _unpacked(archive, f"{root}data/{key}", sizes.get(key, 0))))
    )


def _unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > most or info.file_size > _MOST_UNPACKED * info.compress_size + (1 << 20):
        raise InertPickleError(f"{name} unpacks to {info.file_size:,} bytes, which no checkpoint has there")
    return archive.read(info)


def _read_row(path: Path) -> Any:  # noqa: ANN401
    if not path.stat().st_size:
        raise InertPickleError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found, places = read_row(cast("IO[bytes]", mapped))

    def read_storage(key: str, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(places[key])
            raw = file.read(size)
        if len(raw) < size:
            raise InertPickleError("it ends in the midst of its numbers")
        return raw

    return plain(found.content, _tensors(_guarded(read_storage)))


def _read_tar(path: Path) -> Any:  # noqa: ANN401
    """Reads a file of PyTorch before 0.1.10: its members `storages`, `tensors` and `pickle`."""
    with tarfile.open(path, "r:") as archive:
        members = {one.name: one for one in archive.getmembers() if one.isfile() and not one.issparse()}
        if not {"storages", "tensors", "pickle"} <= set(members):
            raise _other_archive("tar", members)
        storages, tensors, pickled = (
            io.BytesIO(cast("IO[bytes]", archive.extractfile(members[name])).read())
            for name in ("storages", "tensors", "pickle")
        )
    raws: dict[str, tuple[Any, bytes]] = {}
    for _ in range(read_pickle(storages).content):
        key, location, kind = read_pickle(storages).content
        (count,) = struct.unpack("<q", storages.read(8))
        saved_id = ("storage", kind, str(key), location, count)
        raws[str(key)] = saved_id, storages.read(sizes_of([saved_id])[str(key)])
    found: dict[str, StoredTensor] = {}
    for _ in range(read_pickle(tensors).content):
        key, storage_key, _ = read_pickle(tensors).content
        (sides,) = struct.unpack("<i4x", tensors.read(8))
        shape, steps = (struct.unpack(f"<{sides}q", tensors.read(8 * sides)) for _ in range(2))
        (offset,) = struct.unpack("<q", tensors.read(8))
        stored = Foreign(PERSISTENT, (raws[str(storage_key)][0],))
        rebuilt = Foreign("torch._utils._rebuild_tensor", (stored, offset, shape, steps))
        if tensor := tensor_in(rebuilt, lambda key, size: raws[key][1][:size]):
            found[str(key)] = tensor
    return plain(
        read_pickle(pickled).content,
        lambda value: found.get(str(value.args[0])) if value.name == PERSISTENT else tensor_in(value, _nowhere),
    )


def _other_archive(kind: str, names: Iterable[str]) -> InertPickleError:
    held = ", ".join(sorted(names)[:3]) or "nothing"
    return InertPickleError(f"it is a {kind} archive of {held}; unpack it and name the file of weights")


def _tensors(read_storage: ReadStorage) -> Callable[[Foreign], StoredTensor | None]:
    return lambda value: tensor_in(value, read_storage)


def _guarded(read_storage: ReadStorage) -> ReadStorage:
    def read(key: str, size: int) -> bytes:
        try:
            return read_storage(key, size)
        except InertPickleError:
            raise
        except (*_DAMAGE, MemoryError) as error:
            raise InertPickleError("its numbers are damaged") from error

    return read


def _nowhere(key: str, _: int) -> bytes:
    raise InertPickleError(f"it refers to numbers, {key}, that are not in it")
