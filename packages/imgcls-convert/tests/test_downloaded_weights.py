"""Conversions whose weights come from an address: a real server on loopback, and a port where nobody is."""

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import pytest
import torch


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """Serves the files of a folder; gives the address."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def serve(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def test_no_reachable_source_is_exit_3(run_cli, monkeypatch, tmp_path, leaves_nothing):
    monkeypatch.setenv("IMGCLS_CACHE_DIR", str(tmp_path / "cache"))
    refused = run_cli(
        "resnet18", "--weights", "http://127.0.0.1:9/resnet18.pth", "--output", leaves_nothing / "r.onnx"
    )  # fmt: skip
    assert refused.code == 3
    assert "The weights of resnet18 cannot be downloaded. Tried http://127.0.0.1:9/resnet18.pth" in refused.sentence


FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
"""


def test_weights_from_an_address_end_up_in_the_artifact(run_cli, monkeypatch, tmp_path, serve_folder):
    """The same checkpoint from the disk and from an address gives the same artifact but for the checkpoint's name."""
    (tmp_path / "net.py").write_text(FACTORY, encoding="utf-8")
    torch.save({"2.weight": torch.eye(4, 3), "2.bias": torch.arange(4.0)}, tmp_path / "net.pth")
    content = (tmp_path / "net.pth").read_bytes()
    address = f"{serve_folder(tmp_path)}/net.pth"
    monkeypatch.setenv("IMGCLS_CACHE_DIR", str(tmp_path / "cache"))
    pin = hashlib.sha256(content).hexdigest()
    sources, graphs = [], []
    for weights in (f"{address}#sha256={pin}", tmp_path / "net.pth"):
        told = run_cli(
            f"{tmp_path}/net.py:build", "--image-size", "32", "--weights", weights, "--output", tmp_path / "n.onnx"
        )  # fmt: skip
        assert told.code == 0, told.err
        sources.append(json.loads((tmp_path / "n.report.json").read_text(encoding="utf-8"))["source"])
        graphs.append(onnx.load(tmp_path / "n.onnx").graph)
    assert graphs[0] == graphs[1]
    assert sources[0] == sources[1] | {"weights": f"{pin[:8]}-net.pth"}
    assert sources[0]["weights_sha256"] == pin
