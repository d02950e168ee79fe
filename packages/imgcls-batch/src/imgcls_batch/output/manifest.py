"""The manifest: every image of the source, numbered, in Parquet files whose row groups are the shards.

Written whole before the first image is answered, so that a source that changes meanwhile cannot change the run.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from imgcls_batch.errors import OutputUnreachableError, SourceError
from imgcls_batch.output.objects import OutputObjects
from imgcls_batch.output.run_document import ManifestId
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.places import reason_of

SHARD_SIZE: Final = 1_000
SHARDS_PER_PART: Final = 100
# A small source is cut finer, so that every worker gets something and the last one does not work alone.
_FEWEST_SHARDS: Final = 64
_SMALLEST_SHARD: Final = 16

_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("container", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("size_bytes", pa.int64()),
    ]
)


def write_manifest(
    output: OutputObjects, folder: str, entries: Iterator[Entry], *, shard_size: int | None
) -> ManifestId:
    """Numbers the images of a source and writes them down; memory is that of one part.

    Args:
        output: where the run's rows will stand.
        folder: of the parts; nobody else writes there.
        entries: the source.
        shard_size: images in a shard; None chooses by the number of images.

    Raises:
        SourceError: the source holds no image.
    """
    at_first = list(islice(entries, SHARD_SIZE * SHARDS_PER_PART))
    if not at_first:
        raise SourceError(
            "SOURCE holds no image; images in folders and tar files are found by their suffix, a glob takes all."
        )
    size = shard_size or min(SHARD_SIZE, max(_SMALLEST_SHARD, -(-len(at_first) // _FEWEST_SHARDS)))
    rest = chain(at_first, entries)
    del at_first
    digest = hashlib.sha256()
    images = 0
    for number in range(1 << 62):
        part = list(islice(rest, size * SHARDS_PER_PART))
        if not part:
            break
        content = _part(part, images, size)
        digest.update(content)
        output.replace(_part_name(folder, number), content)
        images += len(part)
    return ManifestId(folder, images, size, SHARDS_PER_PART, digest.hexdigest())


def read_shard(output: OutputObjects, manifest: ManifestId, shard: int) -> list[Entry]:
    """Gives the images of one shard; the first has the id `shard * shard_size`.

    Raises:
        OutputUnreachableError: the manifest cannot be read.
    """
    number, group = divmod(shard, manifest.shards_per_part)
    name = _part_name(manifest.folder, number)
    try:
        with output.open(name) as raw, pq.ParquetFile(raw) as file:
            table = file.read_row_group(group)
    except (OSError, pa.ArrowException) as error:
        raise OutputUnreachableError(f"{output.url}/{name} cannot be read: {reason_of(error)}.") from error
    return list(_entries([table]))


def read_entries(output: OutputObjects, manifest: ManifestId) -> Iterator[Entry]:
    """Gives every image of a manifest."""
    for shard in range(manifest.shards):
        yield from read_shard(output, manifest, shard)


def _part_name(folder: str, number: int) -> str:
    return f"{folder}/part-{number:06d}.parquet"


def _entries(tables: Iterable[pa.Table]) -> Iterator[Entry]:
    for table in tables:
        columns = (table.column(name).to_pylist() for name in ("uri", "container", "position", "size_bytes"))
        yield from map(Entry, *columns)


def _part(entries: list[Entry], first_id: int, shard_size: int) -> bytes:
    table = pa.table(
        [
            pa.array(range(first_id, first_id + len(entries)), pa.int64()),
            *(
                pa.array([_as_text(getattr(entry, name)) for entry in entries], _SCHEMA.field(name).type)
                for name in ("uri", "container", "position", "size_bytes")
            ),
        ],
        schema=_SCHEMA,
    )
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", row_group_size=shard_size)
    return content.getvalue()


def _as_text(value: str | int | None) -> str | int | None:
    r"""Gives a name that is no UTF-8 as text, its odd bytes as `\xff`: one such file ends no run."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value
