"""`imgcls-deploy wait URL` ends when the deployment that answers is the one that was made."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ARTIFACT = b"the new artifact"


class Deployment(http.server.ThreadingHTTPServer):
    """Answers like a platform: 503 at first, then the former artifact, then `sha256`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sha256 = hashlib.sha256(ARTIFACT).hexdigest()
        self.not_ready_for = 1
        self.former_for = 1
        self.tokens: set[str | None] = set()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Deployment  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        server = self.server
        server.tokens.add(self.headers["Authorization"])
        status = 200
        body: dict[str, object] = {"ready": True, "model": {"name": "resnet18", "sha256": "0" * 64}, "provider": "cpu"}
        if self.path == "/v4/ready" and server.not_ready_for > 0:
            server.not_ready_for -= 1
            status = 503
            body = {"status": 503, "code": "model_not_ready", "detail": "the artifact is being loaded"}
        elif self.path == "/v4/health":
            server.former_for -= 1
            sha256 = "0" * 64 if server.former_for >= 0 else server.sha256
            model = {"name": "resnet18", "sha256": sha256, "classes": 1000}
            gpu = {"present": False, "reason": "none"}
            body = {"status": "ok", "model": model, "provider": "cpu", "gpu": gpu, "uptime_s": 1.0}
            body |= {"memory": {}, "disk": {}, "versions": {}}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with Deployment() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def wait(port: int, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command as a workflow does: the address ends where the platform's path ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    return subprocess.run(
        [sys.executable, "-m", "imgcls_deploy", "wait", f"http://127.0.0.1:{port}/v4/", *arguments],
        env={**clean, "IMGCLS_PLATFORM_TOKEN": token}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_it_waits_for_the_new_artifact_and_not_only_for_ready(deployment: Deployment, tmp_path: Path) -> None:
    artifact = tmp_path / "resnet18.onnx"
    artifact.write_bytes(ARTIFACT)
    result = wait(deployment.server_address[1], "--artifact", str(artifact), token="a-token")  # noqa: S106 - not a real one
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "the artifact is being loaded" in lines[0]
    assert lines[1].startswith("ready, but with the artifact 000000000000")
    assert lines[2] == f"ready with the artifact {deployment.sha256[:12]}"
    assert deployment.tokens == {"Bearer a-token"}
    assert "a-token" not in result.stdout + result.stderr


def test_a_deployment_that_does_not_get_ready_in_time_is_a_failure(deployment: Deployment) -> None:
    deployment.not_ready_for = 1000
    result = wait(deployment.server_address[1], "--timeout", "0")
    assert result.returncode == 1
    assert "did not get ready within 0 s" in result.stderr


def test_an_address_where_nobody_listens_is_named_so() -> None:
    # Bound but not listening: nobody else can get the port meanwhile, not even the caller's own connection.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        result = wait(held.getsockname()[1], "--timeout", "0")
    assert result.returncode == 1
    assert "did not get ready within 0 s: " in result.stderr
    assert "refused" in result.stderr


def test_an_address_that_is_none_is_a_mistake_of_usage() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "imgcls_deploy", "wait", "not an address"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
