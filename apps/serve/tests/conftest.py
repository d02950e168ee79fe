import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from PIL import Image

COLOURS = Path(__file__).parents[3] / "tests" / "data" / "colours.onnx"
COLOURS_WITH_REFERENCE = COLOURS.with_name("colours_with_reference.onnx")
RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
WAIT_S = 20


@dataclass
class RunningService:
    """A service process with a client for it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    url: str
    log: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def sigterm(self) -> None:
        self.process.send_signal(signal.SIGTERM)


StartService = Callable[..., AbstractContextManager[RunningService]]


def _environment(settings: dict[str, object]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    return clean | {f"IMGCLS_{name.upper()}": str(value) for name, value in settings.items()}


@contextlib.contextmanager
def _start(*, wait_ready: bool = True, **settings: object) -> Generator[RunningService]:
    settings = {"model": COLOURS, "port": 0} | settings
    process = subprocess.Popen(
        [sys.executable, "-m", "imgcls_serve"], stdout=subprocess.PIPE, env=_environment(settings)
    )
    assert process.stdout is not None
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
        assert listening.wait(WAIT_S)
        url = next(str(entry["url"]) for entry in log if "url" in entry)
        if wait_ready:
            assert loaded.wait(WAIT_S)
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
        process.stdout.close()


@pytest.fixture(scope="session")
def start_service() -> StartService:
    return _start


@pytest.fixture(scope="session")
def service() -> Iterator[RunningService]:
    """One service with the default settings, for tests that leave it as it is."""
    with _start() as running:
        yield running


@pytest.fixture(scope="session")
def colours_artifact() -> Path:
    return COLOURS


@pytest.fixture(scope="session")
def artifact_with_reference() -> Path:
    """The same network; its reference distribution is that of tests/data/colours_with_reference.py."""
    return COLOURS_WITH_REFERENCE


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ImageNet photos and a network trained on them, where there is one."""
    folder = os.environ.get("IMGCLS_TEST_DATA")
    if not folder:
        pytest.skip("IMGCLS_TEST_DATA names no folder with real photos")
    return Path(folder)


PictureOf = Callable[..., bytes]


@pytest.fixture(scope="session")
def picture_of() -> PictureOf:
    """Gives an encoded picture of one colour."""

    def encode(colour: str, image_format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", size, RGB[colour]).save(buffer, image_format)
        return buffer.getvalue()

    return encode
