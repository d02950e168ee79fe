"""An `imgcls-serve` process on a free port of loopback, as a user would start it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

WAIT_S: Final = 60


@dataclass
class RunningService:
    """A service process with a client for it; `log` grows while it runs."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    url: str
    log: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def predict(self, body: bytes, media_type: str = "application/octet-stream", **query: str) -> httpx.Response:
        """Sends an image to `POST /predict`."""
        return self.client.post("/predict", content=body, headers={"Content-Type": media_type}, params=query)

    def sigterm(self) -> None:
        """Asks the process to end."""
        self.process.send_signal(signal.SIGTERM)


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
        settings: names without `IMGCLS_`, in lower case; nothing of this process's own settings is passed on.
        wait_ready: whether to wait until the model is loaded or cannot be.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    environment = clean | {f"IMGCLS_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen([script_path("imgcls-serve")], stdout=subprocess.PIPE, env=environment)  # noqa: S603
    log: list[dict[str, object]] = []
    listening, loaded = threading.Event(), threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
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
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
