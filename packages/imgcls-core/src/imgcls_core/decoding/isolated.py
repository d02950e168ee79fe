"""Decodes one image at a time in a process of its own, which is ended when it takes too long."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Final, cast

import numpy as np
from imgcls_contract.classification import decoder_of

from imgcls_core.decoding.messages import DecodeReply, DecodeRequest, read_message, write_message
from imgcls_core.decoding.process import CPU_S
from imgcls_core.errors import ImageTooCostlyError, ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.preprocess import ImagePreprocessor, PreparedImage

_LOOK_S: Final = 0.02


class IsolatedDecoder:
    """Owns a process that decodes, for one thread.

    The process is started for the first image, and again after one that it did not survive.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(
        self, preprocessor: ImagePreprocessor, encoded: bytes | bytearray | memoryview, is_wanted: Callable[[], bool]
    ) -> PreparedImage | None:
        """Decodes and shrinks one image.

        Args:
            preprocessor: says how, and within which limits.
            encoded: the file.
            is_wanted: asked while the process works; it is ended when nobody wants the image any more.

        Returns:
            The image, or None where nobody wants it any more.

        Raises:
            ImageError: it cannot be decoded, is too large, or takes too much work.
        """
        limits = preprocessor.limits
        if len(encoded) > limits.max_bytes:
            raise ImageTooLargeError(actual=len(encoded), limit=limits.max_bytes, unit="bytes")
        request = DecodeRequest(preprocessor.preprocessing, limits.max_bytes, limits.max_pixels)
        if self._process is not None and self._process.poll() is not None:
            self.close()
        process = self._process = self._process or _started()
        try:
            write_message(_pipe(process.stdin), request, encoded)
            answers = _pipe(process.stdout)
            while not select.select([answers], [], [], _LOOK_S)[0]:
                if not is_wanted():
                    self.close()
                    return None
            head, pixels = read_message(answers)
        except (EOFError, BrokenPipeError):
            raise self._ended() from None
        return _prepared(preprocessor, decoder_of(DecodeReply).decode(head), pixels)

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
            process.wait()

    def _ended(self) -> ImageTooCostlyError | ImageUndecodableError:
        process = self._process
        code = process.wait() if process is not None else 0
        self.close()
        if code == -signal.SIGPROF:
            return ImageTooCostlyError(f"{CPU_S:g} s of a processor")
        return ImageUndecodableError(f"decoding it ended the process that did it (exit code {code})")


def _started() -> subprocess.Popen[bytes]:
    # One thread for each library: threads that nobody uses would take address space.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "imgcls_core.decoding.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for its owner
    )


def _prepared(preprocessor: ImagePreprocessor, reply: DecodeReply, pixels: bytes) -> PreparedImage:
    if reply.is_out_of_memory:
        raise ImageTooCostlyError("the memory that an image may take")
    if reply.unit is not None:
        raise ImageTooLargeError(actual=reply.actual, limit=reply.limit, unit=reply.unit)
    if reply.reason is not None:
        raise ImageUndecodableError(reply.reason)
    array = np.frombuffer(pixels, np.uint8).reshape(*reply.shape, 3)
    if reply.shape != preprocessor.preprocessing.native_size:
        raise ImageUndecodableError("the process that decoded it gave pixels of another size")
    return PreparedImage(array, reply.width_px, reply.height_px)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return  # what was not read any more
