"""The whole line on real input: convert the sample network once, serve it once, ask it over HTTP."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from imgcls_testing.service import RunningService, StartService, script_path

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def photos(real_data: Path) -> Path:
    return real_data / "imagenet-sample"


@pytest.fixture(scope="session")
def imgcls():
    """Runs one of the commands as a user would: imgcls("client", "predict", …) → finished process."""

    def run(which: str, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script_path(f"imgcls-{which}"), *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def artifact(imgcls, real_data: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample MobileNetV2, converted with the command of the README."""
    output = tmp_path_factory.mktemp("models") / "mobilenet_v2.onnx"
    done = imgcls(
        "convert",
        f"{real_data}/models/mobilenet_v2_tf.py:build",
        *("--weights", real_data / "models/mobilenet_v2_tf.pth", "--labels", "imagenet1k"),
        *("--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"),
        *("--golden", photos / "labels.csv", "--verify-images", photos, "--output", output),
    )
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def report(artifact: Path):
    return json.loads(artifact.with_suffix(".report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def service(artifact: Path, start_service: StartService) -> Iterator[RunningService]:
    with start_service(model=artifact, provider="cpu") as running:
        yield running
    assert running.process.returncode == 0, running.log
