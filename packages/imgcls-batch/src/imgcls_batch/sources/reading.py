"""The encoded bytes of one image, from wherever they lie, within limits of size and time."""

from __future__ import annotations

import os
import stat
import time
from typing import Any, Final, cast

from fsspec.asyn import sync
from imgcls_contract.bounds import BoundsError, check_encoding
from imgcls_core.errors import ImageTooLargeError, ImgclsError

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.entry import PARQUET_SUFFIX, Entry, suffix
from imgcls_batch.sources.faults import ImageFetchError, ImageLateError, ImageNotFoundError
from imgcls_batch.sources.places import file_system, local_path, protocol_of, reason_of, remote_errors
from imgcls_batch.sources.stretches import is_tar_stretch
from imgcls_batch.sources.table_rows import TableRows

_PAUSES_S: Final = (0.2, 0.8)  # before the second and the third try
_CHUNK_BYTES: Final = 65_536


class ImageReader:
    """Reads images; may be used from several threads.

    Args:
        max_bytes: largest encoded image.
        timeout_s: for one image, tries and pauses included.
        column: of Parquet sources.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float, column: str | None = None) -> None:
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._rows = TableRows(column)

    def read_stretch(self, entries: list[Entry]) -> list[bytes | ImgclsError]:
        """Gives the encoded bytes of images that `stretches` put together, or why they are not to be had."""
        if is_tar_stretch(entries) and (whole := self._span(entries)) is not None:
            return whole
        return [self._read_or_fault(entry) for entry in entries]

    def _span(self, entries: list[Entry]) -> list[bytes | ImgclsError] | None:
        """Reads neighbours in a tar file at once; None where that fails, so that each is tried by itself."""
        starts = [entry.position or 0 for entry in entries]
        size = starts[-1] + (entries[-1].size_bytes or 0) - starts[0]
        if max(entry.size_bytes or 0 for entry in entries) > self._max_bytes:
            return None
        span = Entry(entries[0].uri, entries[0].container, starts[0], size)
        try:
            content = self._read(span)
        except ImgclsError:
            return None
        offsets = [start - starts[0] for start in starts]
        return [content[at : at + (one.size_bytes or 0)] for at, one in zip(offsets, entries, strict=True)]

    def _read_or_fault(self, entry: Entry) -> bytes | ImgclsError:
        try:
            return self.read(entry)
        except ImgclsError as error:
            return error

    def read(self, entry: Entry) -> bytes:
        """Gives the encoded bytes.

        Raises:
            UnreadableImageError: they cannot be had.
            ImageTooLargeError: more than allowed; known before they are read where the listing told the size.
        """
        if entry.size_bytes is not None:
            self._check(entry.size_bytes)
        return self._read(entry)

    def _read(self, entry: Entry) -> bytes:
        if entry.container is not None and suffix(entry.container) == PARQUET_SUFFIX:
            content = self._rows.read(entry.container, entry.position or 0)
            self._check(len(content))
            return content
        place = entry.container or entry.uri
        try:
            protocol = protocol_of(place)
        except SourceError as error:
            raise ImageFetchError(str(error).rstrip(".")) from error
        return self._local(entry, place) if protocol == "file" else self._remote(entry, place, protocol)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise ImageTooLargeError(actual=size, limit=self._max_bytes, unit="bytes")

    def _local(self, entry: Entry, place: str) -> bytes:
        path = local_path(place)
        try:
            if not stat.S_ISREG((status := path.stat()).st_mode):
                raise ImageNotFoundError
            if entry.position is None:
                self._check(status.st_size)
                return path.read_bytes()
            file = os.open(path, os.O_RDONLY)
            try:
                content = os.pread(file, entry.size_bytes or 0, entry.position)
            finally:
                os.close(file)
        except (FileNotFoundError, NotADirectoryError):
            raise ImageNotFoundError from None
        except OSError as error:
            raise ImageFetchError(reason_of(error)) from error
        return self._whole(content, entry)

    def _remote(self, entry: Entry, place: str, protocol: str) -> bytes:
        expected = remote_errors(protocol)
        until_s = time.monotonic() + self._timeout_s
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._whole(self._fetch(entry, place, protocol, until_s - time.monotonic()), entry)
            except FileNotFoundError:
                raise ImageNotFoundError from None
            except TimeoutError as error:
                raise ImageLateError(self._timeout_s) from error
            except BoundsError as error:
                raise ImageFetchError(f"its answer {error}") from error
            except (ImageFetchError, *expected) as error:
                if pause_s is None:
                    raise error if isinstance(error, ImgclsError) else ImageFetchError(reason_of(error)) from error
                if time.monotonic() + pause_s >= until_s:
                    raise ImageLateError(self._timeout_s) from error
                time.sleep(pause_s)
        raise AssertionError  # the last try has returned or raised

    def _whole(self, content: bytes, entry: Entry) -> bytes:
        if entry.position is not None and (missing := (entry.size_bytes or 0) - len(content)) > 0:
            raise ImageFetchError(f"its tar file ends {missing:,} bytes early")
        return content

    def _fetch(self, entry: Entry, place: str, protocol: str, timeout_s: float) -> bytes:
        filesystem = file_system(protocol)
        if timeout_s <= 0:
            raise TimeoutError
        if protocol in {"http", "https"}:
            body: bytes = cast("Any", sync)(filesystem.loop, self._get, filesystem, place, timeout=timeout_s)
            return body
        start, end = 0, self._max_bytes + 1
        if entry.position is not None:
            start, end = entry.position, entry.position + (entry.size_bytes or 0)
        elif entry.size_bytes is not None:
            start, end = None, None
        if entry.size_bytes == 0:
            return b""
        if not filesystem.async_impl:
            content: bytes = filesystem.cat_file(place, start=start, end=end)
        else:
            content = cast("Any", sync)(
                filesystem.loop, filesystem._cat_file, place, start=start, end=end, timeout=timeout_s
            )
        if entry.position is None and len(content) > self._max_bytes:
            self._check(int(filesystem.info(place)["size"]))
        return content

    async def _get(self, filesystem: Any, url: str) -> bytes:  # noqa: ANN401 - fsspec is untyped
        session = await filesystem.set_session()
        body = bytearray()
        async with session.get(url, headers={"Accept": "image/*", "Accept-Encoding": "identity"}) as reply:
            if reply.status in {404, 410}:
                raise FileNotFoundError(url)
            if reply.status != 200:
                raise ImageFetchError(f"its host answers {reply.status}")
            check_encoding(reply.headers.get("Content-Encoding"))
            self._check(reply.content_length or 0)
            async for chunk in reply.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                self._check(len(body))
        return bytes(body)
