"""`python -m imgcls_core.decoding.process`: decodes and shrinks what comes on its standard input.

It is expected to be ended at any moment: by its own clock of processor time, by the limit of its memory, or by
its owner when nobody waits any more.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import IO, Final

import msgspec

from imgcls_core.decoding.messages import DecodeReply, DecodeRequest, read_message, write_message
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor

CPU_S: Final = 1.0
# Beyond what the process has when it begins: the encoded image, and the worst format's bytes a pixel (WebP with
# transparency: 27; TIFF of 16 bits with transparency: 24).
_BYTES_PER_PIXEL: Final = 28
_SPARE_BYTES: Final = 134_217_728
_NICENESS: Final = 5


def main() -> None:
    """Answers messages until its input ends."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    has_limits = False
    while True:
        try:
            head, encoded = read_message(requests)
        except EOFError:
            return
        request = msgspec.json.decode(head, type=DecodeRequest)
        if not has_limits:
            _limit_resources(request)
            has_limits = True
        try:
            _answer(replies, request, encoded)
        except BrokenPipeError:  # its owner has ended
            os._exit(0)


def _answer(replies: IO[bytes], request: DecodeRequest, encoded: bytes) -> None:
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # its signal ends the process, whatever the decoder is doing
    try:
        prepared = ImagePreprocessor(request.preprocessing, request.limits).prepare(encoded)
    except ImageError as error:
        reply, pixels = DecodeReply.of_error(error), b""
    except MemoryError:
        reply, pixels = DecodeReply(is_out_of_memory=True), b""
    else:
        height, width = prepared.pixels.shape[:2]
        reply = DecodeReply(prepared.width_px, prepared.height_px, (height, width))
        pixels = prepared.pixels.tobytes()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    write_message(replies, reply, pixels)


def _limit_resources(request: DecodeRequest) -> None:
    try:
        import resource  # noqa: PLC0415 - there is none on Windows

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        return
    used = pages * os.sysconf("SC_PAGE_SIZE")
    most = used + request.max_bytes + request.max_pixels * _BYTES_PER_PIXEL + _SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
