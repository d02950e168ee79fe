"""Commands as a terminal shows them: each a fork in a pseudo-terminal of its own, of a process that has imported them.

`python tests/terminals.py < cases.json` prints what each case shows; `show_all` calls it.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MOST_S = 60
# What the commands that are asked import when they run: paid once, before the first fork.
_IMPORTED = (
    *(f"imgcls_{name}.cli" for name in ("batch", "client", "convert", "deploy", "serve", "train")),
    *(
        f"imgcls_client.commands.{name}"
        for name in ("bench", "config", "golden", "monitor", "predict", "ready", "suite")
    ),
    *(f"imgcls_convert.commands.{name}" for name in ("convert", "diff", "inspect", "verify")),
    "imgcls_deploy.commands.wait",
    "imgcls_core.inference.classifier",
    "imgcls_convert.parity.verify",
    "onnxruntime",
    "rich.progress",
)


@dataclass(frozen=True)
class Typed:
    """A command line, and where it is typed.

    Args:
        words: program and arguments.
        columns: of the terminal.
        variables: of the environment, set before.
        reader: whether standard output goes to a reader that has seen enough after the first byte, as `| head -1`.
        interrupted_at: Ctrl-C is pressed when this has been shown.
    """

    words: Sequence[str]
    columns: int = 80
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    reader: bool = False
    interrupted_at: str = ""


@dataclass(frozen=True)
class Shown:
    """What the terminal showed, without colours, and the exit code (negative: the signal)."""

    text: str
    colours: bool
    code: int


def show_all(cases: Sequence[Typed], folder: Path) -> list[Shown]:
    """Types every case in a folder."""
    asked = json.dumps([asdict(one) for one in cases])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("IMGCLS_", "COLUMNS"))}
    done = subprocess.run(
        [sys.executable, __file__], input=asked, capture_output=True, text=True, cwd=folder, env=clean, check=True
    )
    return [Shown(**one) for one in json.loads(done.stdout)]


def _show(case: Typed) -> Shown:
    pid, screen = pty.fork()
    if pid == 0:
        _become(case)
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, case.columns, 0, 0))
    seen, ends, waits_for = b"", time.monotonic() + _MOST_S, case.interrupted_at.encode()
    while time.monotonic() < ends:
        if select.select([screen], [], [], 0.2)[0]:
            try:
                more = os.read(screen, 65536)
            except OSError:  # Linux says so that nobody has the terminal open any more
                break
            if not more:
                break
            seen += more
        if waits_for and waits_for in seen:
            os.write(screen, b"\x03")
            waits_for = b""
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(screen)
    text = seen.decode("utf-8", "replace").replace("\r\n", "\n")
    return Shown(_CONTROL.sub("", text), "\x1b[3" in text, os.waitstatus_to_exitcode(status))


def _become(case: Typed) -> None:
    """Is the command from here on; its terminal has a size before it looks."""
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, case.columns, 0, 0))
    os.environ.update({"TERM": "xterm", **case.variables})
    if case.reader:
        reading, writing = os.pipe()
        if (reader := os.fork()) == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        os.dup2(writing, 1)
        os.close(writing)
        os.waitpid(reader, os.WNOHANG)
    encoding = case.variables.get("PYTHONIOENCODING", "utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding, line_buffering=stream.isatty())  # type: ignore[union-attr]
    sys.argv = [*case.words]
    code = 0
    try:
        import_module(f"{case.words[0].replace('-', '_')}.__main__").main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:  # noqa: BLE001 - as Python ends
        sys.excepthook(*sys.exc_info())
        code = 1
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in _IMPORTED:
        import_module(name)
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    shown = [asdict(_show(Typed(**one))) for one in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(shown))
