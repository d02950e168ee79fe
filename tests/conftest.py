"""The whole line on real input: convert the sample network once, serve it once, ask it over HTTP."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def test_data() -> Path:
    folder = os.environ.get("IMGCLS_TEST_DATA")
    if not folder:
        pytest.skip("IMGCLS_TEST_DATA names no folder with the sample network and photos")
    return Path(folder)


@pytest.fixture(scope="session")
def photos(test_data: Path) -> Path:
    return test_data / "imagenet-sample"


def command(name: str) -> str:
    """The installed console script, as a user would start it."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed beside {sys.executable}"
    return found


@pytest.fixture(scope="session")
def imgcls():
    """Runs one of the commands as a user would: imgcls("client", "predict", …) → finished process."""

    def run(which: str, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command(f"imgcls-{which}"), *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def artifact(imgcls, test_data: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample MobileNetV2, converted with the command of the README."""
    output = tmp_path_factory.mktemp("models") / "mobilenet_v2.onnx"
    done = imgcls(
        "convert",
        f"{test_data}/models/mobilenet_v2_tf.py:build",
        *("--weights", test_data / "models/mobilenet_v2_tf.pth", "--labels", "imagenet1k"),
        *("--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"),
        *("--golden", photos / "labels.csv", "--verify-images", photos, "--output", output),
    )
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def report(artifact: Path):
    return json.loads(artifact.with_suffix(".report.json").read_text(encoding="utf-8"))


class Service:
    """An `imgcls-serve` process on a free loopback port, for one artifact or for a folder of models."""

    def __init__(self, models: Path, log: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        option = "--models-dir" if models.is_dir() else "--model"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [command("imgcls-serve"), option, str(models), "--port", str(self.port)],
                stdout=file,
                stderr=file,
                env={**os.environ, "IMGCLS_PROVIDER": "cpu", **settings},
            )
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def wait_until_ready(self, limit_s: float = 30) -> None:
        deadline = time.monotonic() + limit_s
        while not self._is_ready():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)  # the pause between two looks; a process that ends is seen at once
                pytest.fail(f"the service ended: {self.log.read_text(encoding='utf-8')}")
            assert time.monotonic() < deadline, self.log.read_text(encoding="utf-8")

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    def predict(self, body: bytes, media_type: str = "application/octet-stream", **query: str) -> httpx.Response:
        return self.http.post("/predict", content=body, headers={"Content-Type": media_type}, params=query)

    def stop(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture(scope="session")
def service(artifact: Path, tmp_path_factory: pytest.TempPathFactory):
    running = Service(artifact, tmp_path_factory.mktemp("log") / "serve.log")
    try:
        running.wait_until_ready()
        yield running
    finally:
        exit_code = running.stop()
    assert exit_code == 0, running.log.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def serve_artifact(tmp_path_factory: pytest.TempPathFactory):
    """Starts a service on an artifact; further settings are environment variables."""

    @contextlib.contextmanager
    def start(artifact: Path, **settings: str):
        running = Service(artifact, tmp_path_factory.mktemp("log") / "serve.log", **settings)
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.stop()

    return start
