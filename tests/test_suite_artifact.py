"""`imgcls-client suite --artifact` against real services: whose answers are believed, and who is found out."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import httpx
import pytest
from imgcls_testing.service import RunningService, StartService

Run = Callable[..., CompletedProcess[str]]
Alter = Callable[[httpx.Request], httpx.Request]


@pytest.fixture(scope="module")
def colours(start_service: StartService, colours_path: Path) -> Iterator[RunningService]:
    with start_service(model=colours_path, provider="cpu") as running:
        yield running


@contextmanager
def between(service: RunningService, alter: Alter) -> Iterator[str]:
    """Stands before a service and changes what is asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
            asked = httpx.Request(self.command, service.url + self.path, headers=headers, content=body)
            said = service.client.send(alter(asked))
            self.send_response(said.status_code)
            for name in ("content-type", "x-request-id", "inference-header-content-length"):
                if name in said.headers:
                    self.send_header(name, said.headers[name])
            self.send_header("content-length", str(len(said.content)))
            self.end_headers()
            self.wfile.write(said.content)

        do_GET = do_POST = do_HEAD = do_OPTIONS = answer  # noqa: N815 - names of the standard library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def outcomes(imgcls: Run, url: str, *arguments: object) -> dict[str, tuple[str, str]]:
    done = imgcls("client", "suite", "--url", url, "--skip", "performance", "--json", *arguments)
    assert done.stdout, done.stderr
    tests = json.loads(done.stdout)["tests"]
    return {test["name"]: (test["outcome"], test["detail"]) for test in tests}


def failed(found: dict[str, tuple[str, str]]) -> set[str]:
    return {name for name, (outcome, _) in found.items() if outcome == "failed"}


def test_a_healthy_service_answers_as_the_artifact_does_on_every_path_and_kind(
    imgcls: Run, colours: RunningService, colours_path: Path
) -> None:
    found = outcomes(imgcls, colours.url, "--artifact", colours_path, "--seed", 4)
    assert failed(found) == set()
    for name in ("model_identity", "golden_of_the_artifact", "drawn_images", "v2_pixels_binary", "exif_webp", "large"):
        assert found[name][0] == "passed", found[name]
    assert "drawn with --seed 4" in found["drawn_images"][1]


def test_a_deployment_that_has_learnt_its_golden_answers_by_heart_is_found_out(
    imgcls: Run, colours: RunningService, colours_path: Path
) -> None:
    golden = [case["image_base64"] for case in colours.client.get("/golden").json()["cases"]]
    known = [base64.b64decode(each) for each in golden]

    def cheat(asked: httpx.Request) -> httpx.Request:
        if urlsplit(str(asked.url)).path != "/predict" or asked.content in known:
            return asked
        return httpx.Request("POST", asked.url, headers={"content-type": "image/png"}, content=known[0])

    with between(colours, cheat) as url:
        found = outcomes(imgcls, url, "--artifact", colours_path, "--only", "identity", "--only", "correctness")
        without = outcomes(imgcls, url, "--only", "identity", "--only", "correctness")
    assert failed(found) == {"drawn_images"}
    assert failed(without) == set(), "which is why there is --artifact"
    assert "was not checked" in without["model_identity"][1]


def test_the_same_seed_draws_the_same_images(colours_path: Path) -> None:
    from imgcls_core.verification.truth import ArtifactTruth

    truth = ArtifactTruth(colours_path)
    once, again, other = (list(islice(truth.drawn_images(seed), 4)) for seed in (3, 3, 4))
    assert once[1:] == again[1:]
    assert once[1] != other[1]


def test_an_edited_artifact_is_refused_before_anything_is_asked(
    imgcls: Run, colours_path: Path, tmp_path: Path
) -> None:
    edited = tmp_path / "edited.onnx"
    edited.write_bytes(colours_path.read_bytes()[:-200])
    done = imgcls("client", "suite", "--url", "http://127.0.0.1:9", "--artifact", edited)
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_monitor_takes_the_truth_from_the_artifact_too(
    imgcls: Run, colours: RunningService, colours_path: Path, colours_with_reference_path: Path, tmp_path: Path
) -> None:
    watch = ("client", "monitor", "--url", colours.url, "--database", tmp_path / "m.sqlite", "--json")
    same = imgcls(*watch, "--artifact", colours_path)
    assert same.returncode == 0, same.stdout
    other = imgcls(*watch, "--artifact", colours_with_reference_path)
    assert other.returncode == 1
    assert "the model is" in json.loads(other.stdout)["broken"]["model"]


def test_every_model_of_a_service_is_asked(
    imgcls: Run, start_service: StartService, colours_path: Path, colours_with_reference_path: Path, tmp_path: Path
) -> None:
    for path in (colours_path, colours_with_reference_path):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with start_service(models_dir=tmp_path, model=colours_path, provider="cpu", admin_token="a" * 16) as service:
        admin = {"Authorization": f"Bearer {'a' * 16}"}
        for name in ("colours", "colours_with_reference"):
            service.client.post(f"/models/{name}/load", headers=admin)
        found = outcomes(imgcls, service.url, "--all-models", "--only", "correctness", "--api-key", "a" * 16)
    assert failed(found) == set()
    assert found["golden_classes@colours_with_reference"][0] == "passed"
