"""A file that cannot grow any more, as on a full disk: one sentence, and what was written before is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from imgcls_testing.commands import RunCli

COLOURS = Path(__file__).parents[3] / "tests" / "data" / "colours.onnx"
# A soft limit of the process, so that it needs no disk of its own; the system then refuses as it does for a full one.
LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # Python keeps a module that was cut off, and stumbles over it ever after
from imgcls_train.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""
# 150,000 weights: more than one write, so that it is PyTorch's writer that meets the end of the disk.
NETWORK = """
from torch import nn

def build(num_classes=3):
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), nn.Conv2d(64, 256, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(1024, num_classes),
    )
"""


def limited(most_bytes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs `imgcls-train` where no file can have more bytes."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(most_bytes), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_fit_that_can_write_no_more_keeps_its_checkpoint_and_goes_on_later(
    image_folder: Path, tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgcls_train.training.fit_console import FitConsole

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "network.py").write_text(NETWORK, encoding="utf-8")
    run = tmp_path / "run"
    arguments = ["fit", image_folder, "--run", run, "--architecture", f"{tmp_path}/network.py:build", "--epochs", "2"]
    arguments += ["--image-size", "16", "--batch-size", "24", "--checkpoint-every", "0", "--no-tensorboard"]
    with monkeypatch.context() as patch:
        patch.setattr(FitConsole, "on_epoch", interrupt)
        assert run_cli(*arguments).code == 130
    before = _files(run)
    refused = limited(200_000, *arguments)
    assert refused.returncode == 2, refused.stderr
    assert "checkpoint.pt' cannot be written: File too large" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
    assert _files(run) == before
    ended = run_cli(*arguments)
    assert ended.code == 0, ended.err
    assert "going on from step 3 of 6" in ended.err


def test_a_publication_that_finds_no_room_leaves_the_store_as_it_was(run_cli: RunCli, tmp_path: Path) -> None:
    store = tmp_path / "store"
    refused = limited(10_000, "publish", COLOURS, store)
    assert refused.returncode == 3
    assert "File too large. What it held is as it was." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not [path for path in store.rglob("*") if path.is_file()]
    assert run_cli("publish", COLOURS, store).code == 0
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    report = tmp_path / "report.html"
    report.write_bytes(b"x" * 20_000)
    assert limited(10_000, "publish", COLOURS, store, "--report", report).returncode == 3
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    refused = limited(10_000, "pull", store, tmp_path / "copy")
    assert refused.returncode == 3
    assert not (tmp_path / "copy" / "colours" / "latest.json").exists()
    assert json.loads((store / "colours" / "latest.json").read_bytes())["version"].startswith("sha256-")
