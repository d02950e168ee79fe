"""An `imgcls-serve` process on a free port of loopback, with the settings that a user would give it.

Importing what a service needs is most of its start: one process has imported it, and each service is a fork of that.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final

import httpx

WAIT_S: Final = 60
_PROGRAM: Final = "imgcls-serve"
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["imgcls_serve.server", "onnxruntime"])


@dataclass
class RunningService:
    """A service process with a client for it; `log` grows while it runs."""

    process: ForkServerProcess
    client: httpx.Client
    url: str
    log: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def predict(self, body: bytes, media_type: str = "application/octet-stream", **query: str) -> httpx.Response:
        """Sends an image to `POST /predict`."""
        return self.client.post("/predict", content=body, headers={"Content-Type": media_type}, params=query)

    def sigterm(self) -> None:
        """Asks the process to end."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)

    def wait(self, most_s: float = WAIT_S) -> int | None:
        """Waits until the process has ended and gives its exit code."""
        self.process.join(most_s)
        return self.process.exitcode


StartService = Callable[..., AbstractContextManager[RunningService]]


def script_path(name: str) -> str:
    """Gives the installed console script, as a user would start it."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed beside {sys.executable}"
    return found


@contextlib.contextmanager
def run_service(settings: Mapping[str, object], *, wait_ready: bool = True) -> Generator[RunningService]:
    """Runs a service while the block lasts.

    Args:
        settings: names without `IMGCLS_`, in lower case; nothing of this process's own settings is passed on. Without
            a provider it is the CPU with ONNX Runtime, so that nothing is measured.
        wait_ready: whether to wait until the model is loaded or cannot be.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    named = {"provider": "cpu", **settings}
    environment = clean | {f"IMGCLS_{name.upper()}": str(value) for name, value in named.items()}
    reading, writing = os.pipe()
    process = _FORKS.Process(target=_serve, args=(environment, str(Path.cwd()), DupFd(writing)))
    process.start()
    os.close(writing)
    log: list[dict[str, object]] = []
    listening, loaded = threading.Event(), threading.Event()

    def read() -> None:
        with os.fdopen(reading, "rb") as output:
            for line in output:
                entry = json.loads(line)
                log.append(entry)
                if "url" in entry:
                    listening.set()
                if str(entry["message"]).startswith(("Ready", "The model cannot")):
                    loaded.set()
        listening.set()
        loaded.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(WAIT_S), log
        url = next((str(entry["url"]) for entry in log if "url" in entry), None)
        assert url is not None, f"the service ended: {log}"
        if wait_ready:
            assert loaded.wait(WAIT_S), log
        with httpx.Client(base_url=url, timeout=WAIT_S) as client:
            yield RunningService(process, client, url, log)
    finally:
        process.terminate()
        process.join(WAIT_S)
        process.kill()
        process.join()
        reader.join()


def _serve(environment: dict[str, str], folder: str, output: Any) -> None:  # noqa: ANN401 - not typed there
    """Becomes the service, as its console script does."""
    os.dup2(output.detach(), sys.stdout.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = [_PROGRAM]
    (program,) = entry_points(group="console_scripts", name=_PROGRAM)
    program.load()()
