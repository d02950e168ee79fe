"""Images of a run, read again by their ids."""

from __future__ import annotations

from functools import lru_cache

from imgcls_core.errors import ImgclsError
from imgcls_core.images.thumbnail import thumbnail

from imgcls_batch.output.manifest import read_shard
from imgcls_batch.output.objects import OutputObjects
from imgcls_batch.output.run_document import RunDocument
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.reading import ImageReader

_TIMEOUT_S = 10.0


class ImageFinder:
    """Reads images of a run again.

    Args:
        output: where its rows are.
        run: the run.
    """

    def __init__(self, output: OutputObjects, run: RunDocument) -> None:
        self._run = run
        self._reader = ImageReader(max_bytes=run.options.max_image_bytes, timeout_s=_TIMEOUT_S, column=run.column)
        self._shard = lru_cache(16)(lambda shard: read_shard(output, run.manifest, shard))

    def entry(self, image_id: int) -> Entry:
        """Gives where an image lies."""
        shard, place = divmod(image_id, self._run.manifest.shard_size)
        return self._shard(shard)[place]

    def read(self, image_id: int) -> bytes | None:
        """Gives the encoded image; None where it is not to be had any more."""
        try:
            return self._reader.read(self.entry(image_id))
        except ImgclsError:
            return None

    def thumbnail(self, image_id: int, side_px: int) -> bytes | None:
        """Gives a small copy; None where there is none to be made."""
        content = self.read(image_id)
        try:
            return None if content is None else thumbnail(content, side_px)
        except ImgclsError:
            return None
