"""The rows of one shard: filled image by image, then one Parquet file. The schema is the promise of docs/bulk.md."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from imgcls_core import ClassInfo
from numpy.typing import NDArray

from imgcls_batch.output.run_document import RunDocument, VectorType

METADATA_PREFIX: Final = "imgcls."
_VECTOR: Final[dict[VectorType, pa.DataType]] = {"float16": pa.float16(), "float32": pa.float32()}
_TOP: Final = pa.struct([("class_id", pa.int32()), ("label", pa.string()), ("probability", pa.float32())])


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image besides its answer; sizes are None where it was not decoded."""

    size_bytes: int | None = None
    sha256: str | None = None
    width_px: int | None = None
    height_px: int | None = None


def row_schema(vector: VectorType) -> pa.Schema:
    """Gives the columns of the rows."""
    fields = [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("class_id", pa.int32()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("entropy", pa.float32()),
        pa.field("top", pa.list_(_TOP)),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("size_bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("code", pa.string()),
        pa.field("detail", pa.string()),
    ]
    if vector != "none":
        fields.insert(7, pa.field("probabilities", pa.list_(_VECTOR[vector])))
    return pa.schema(fields)


class ShardRows:
    """The rows of one shard while they are filled.

    Args:
        uris: of its images, in order.
        first_id: the id of the first.
        classes: of the artifact.
        run: whose shard it is.
    """

    def __init__(self, uris: Sequence[str], first_id: int, classes: Sequence[ClassInfo], run: RunDocument) -> None:
        self._uris, self._first_id, self._run = uris, first_id, run
        self._labels = pa.array([entry.label for entry in classes], pa.string())
        count, k = len(uris), run.options.top_k
        vector = run.options.probabilities
        self._is_answered = np.zeros(count, np.bool_)
        self._top_ids = np.zeros((count, k), np.int32)
        self._top_probabilities = np.zeros((count, k), np.float32)
        self._entropy = np.zeros(count, np.float32)
        width, kind = (0, np.dtype(np.float32)) if vector == "none" else (len(classes), np.dtype(vector))
        self._vectors = np.zeros((count, width), kind)
        self._facts = [ImageFacts()] * count
        self._codes: list[str | None] = [None] * count
        self._details: list[str | None] = [None] * count

    def answer(
        self,
        rows: Sequence[int],
        facts: Sequence[ImageFacts],
        probabilities: NDArray[np.float32],
        top_ids: NDArray[np.intp],
        entropies: NDArray[np.float32],
    ) -> None:
        """Fills rows with answers.

        Args:
            rows: places in the shard.
            facts: of the images.
            probabilities: float32 [N, classes].
            top_ids: int [N, k], the most probable first.
            entropies: float32 [N], 0 to 1.
        """
        for row, one in zip(rows, facts, strict=True):
            self._facts[row] = one
        places = list(rows)
        self._is_answered[places] = True
        self._top_ids[places] = top_ids
        self._top_probabilities[places] = np.take_along_axis(probabilities, top_ids, axis=1)
        self._entropy[places] = entropies
        if self._vectors.shape[1]:
            self._vectors[places] = probabilities

    def refuse(self, row: int, facts: ImageFacts, code: str, detail: str) -> None:
        """Fills a row with the reason why there is no answer."""
        self._facts[row], self._codes[row], self._details[row] = facts, code, detail

    def to_parquet(self, shard: int) -> bytes:
        """Gives the file.

        Raises:
            AssertionError: a row was left empty.
        """
        answered = self._is_answered
        if not all(done or code is not None for done, code in zip(answered, self._codes, strict=True)):
            raise AssertionError("a row was left empty")
        schema = row_schema(self._run.options.probabilities)
        columns = {
            "id": pa.array(range(self._first_id, self._first_id + len(answered)), pa.int64()),
            "uri": pa.array(self._uris, pa.string()),
            "class_id": pa.array(self._top_ids[:, 0], pa.int32(), mask=~answered),
            "label": self._named(pa.array(self._top_ids[:, 0], pa.int32(), mask=~answered)),
            "probability": pa.array(self._top_probabilities[:, 0], pa.float32(), mask=~answered),
            "entropy": pa.array(self._entropy, pa.float32(), mask=~answered),
            "top": self._lists(self._top(), self._top_ids.shape[1]),
            "probabilities": self._lists(pa.array(self._vectors[answered].ravel()), self._vectors.shape[1]),
            "width": pa.array([facts.width_px for facts in self._facts], pa.int32()),
            "height": pa.array([facts.height_px for facts in self._facts], pa.int32()),
            "size_bytes": pa.array([facts.size_bytes for facts in self._facts], pa.int64()),
            "sha256": pa.array([facts.sha256 for facts in self._facts], pa.string()),
            "code": pa.array(self._codes, pa.string()),
            "detail": pa.array(self._details, pa.string()),
        }
        table = pa.table([columns[name] for name in schema.names], schema=schema.with_metadata(self._metadata(shard)))
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        return content.getvalue()

    def _top(self) -> pa.StructArray:
        ids = pa.array(self._top_ids[self._is_answered].ravel(), pa.int32())
        probabilities = pa.array(self._top_probabilities[self._is_answered].ravel(), pa.float32())
        return pa.StructArray.from_arrays([ids, self._named(ids), probabilities], fields=list(_TOP))

    def _named(self, ids: pa.Array) -> pa.Array:
        # `take` would import pyarrow's compute functions, which is slow.
        return pa.DictionaryArray.from_arrays(ids, self._labels).dictionary_decode()

    def _lists(self, values: pa.Array, length: int) -> pa.ListArray:
        """Puts the values of the answered rows into lists; the others have none."""
        ends = np.concatenate([[0], np.cumsum(self._is_answered)]) * length
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=pa.array(~self._is_answered))

    def _metadata(self, shard: int) -> dict[str, str]:
        run = self._run
        facts = {
            "schema": str(run.schema),
            "artifact_name": run.artifact.name,
            "artifact_sha256": run.artifact.sha256,
            "manifest_sha256": run.manifest.sha256,
            "shard": str(shard),
        }
        return {f"{METADATA_PREFIX}{name}": text for name, text in facts.items()}
