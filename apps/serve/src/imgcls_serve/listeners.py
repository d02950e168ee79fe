"""Listening sockets: what the system may hold for whoever connects, and the end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys
from typing import Final

# Numbers of Linux: asm-generic/socket.h and linux/filter.h, where an instruction is code, jumps and operand.
_ATTACH_FILTER: Final = 26
_INSTRUCTION: Final = struct.Struct("HBBI")
_PROGRAM: Final = struct.Struct("HP")
_LOAD_BYTE, _IS_ANY_SET, _RETURN = 0x30, 0x45, 0x06
_TCP_FLAGS, _TCP_SYN, _WHOLE = 13, 0x02, 0xFFFF_FFFF

# More waits in the process, where it is held once for all.
_MAX_UNSENT_BYTES: Final = 131_072

_WHY_NOT: Final = {
    errno.EADDRINUSE: "another process has it; end it, or take another with `--port`",
    errno.EACCES: "ports below 1024 are the system's; take another with `--port`",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def why_not(host: str, port: int) -> str:
    """Says why nothing could listen there, by trying once more; one sentence."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        return f"{_WHY_NOT.get(error.errno or 0, error.strerror or str(error))}."
    return "another process had it a moment ago; try again."


def bound_unsent(listener: int) -> None:
    """Lets the system hold little of an answer that is not read; connections inherit it.

    Without it the system takes up to 4 MB for each. What is on its way is not bounded: whoever reads, reads as fast.

    Args:
        listener: its file descriptor.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with socket.socket(fileno=socket.dup(listener)) as same, contextlib.suppress(OSError):
            same.setsockopt(socket.IPPROTO_TCP, option, _MAX_UNSENT_BYTES)


def turn_away(listener: int) -> None:
    """Lets nobody begin to connect to a listening socket any more; those who are connecting still are let in.

    Closing a listener resets the connections that the system has made and the process has not yet taken. Linux is told
    to drop what begins a connection, as a busy network would: after a second the caller asks again, and is refused.
    Elsewhere at most one may wait, so that few are reset.

    Args:
        listener: its file descriptor.
    """
    with socket.socket(fileno=socket.dup(listener)) as same:
        if sys.platform != "linux":
            same.listen(0)
            return
        instructions = (
            _INSTRUCTION.pack(_LOAD_BYTE, 0, 0, _TCP_FLAGS),
            _INSTRUCTION.pack(_IS_ANY_SET, 0, 1, _TCP_SYN),
            _INSTRUCTION.pack(_RETURN, 0, 0, 0),
            _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE),
        )
        code = ctypes.create_string_buffer(b"".join(instructions))
        with contextlib.suppress(OSError):  # a sandbox without filters
            same.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _PROGRAM.pack(len(instructions), ctypes.addressof(code)))
