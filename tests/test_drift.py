"""Drift, seen from outside: a real service, its artifact's reference distribution, and the monitor beside it."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
NAME = "colours_with_reference"
ADMIN = {"authorization": "Bearer admin-token-1"}
# All three distributions can be judged on so many: entropy needs most.
ENOUGH = 200
# Turned round: what is rare in the reference is common, and the other way.
OTHER_SHARES = (0.05, 0.05, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def traffic():
    """Draws colours as tests/data/colours_with_reference.py did for the reference: uint8 [N, 3]."""
    spec = importlib.util.spec_from_file_location(NAME, DATA / f"{NAME}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.traffic


@pytest.fixture(scope="module")
def running(start_service):
    with start_service(model=DATA / f"{NAME}.onnx", provider="cpu", admin_token="admin-token-1") as service:  # noqa: S106
        yield service


@pytest.fixture
def service(running):
    """Loaded anew, so that it has counted nothing."""
    assert running.client.post(f"/models/{NAME}/load", headers=ADMIN).status_code == 200
    return running


@pytest.fixture
def send():
    """Sends colours as a caller would, 50 images of one pixel in a request."""

    def ask(service, colours) -> None:
        for start in range(0, len(colours), 50):
            part = colours[start : start + 50]
            tensor = {
                "name": "images",
                "datatype": "UINT8",
                "shape": [len(part), 1, 1, 3],
                "data": part.ravel().tolist(),
            }
            reply = service.client.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor]})
            assert reply.status_code == 200, reply.text

    return ask


@pytest.fixture
def watch(imgcls, tmp_path):
    """One pass of the monitor; gives its exit code and its JSON document."""

    def start(service, *arguments):
        done = imgcls(
            "client", "monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--json", *arguments
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return start


def figures(service) -> dict[str, dict[str, float]]:
    return service.client.get(f"/models/{NAME}/drift").json()["drift"]


def exposed(service, name: str) -> dict[str, float]:
    found = re.findall(rf'^{name}{{.*?of="(\w+)"}} (\S+)$', service.client.get("/metrics").text, re.MULTILINE)
    return {of: float(value) for of, value in found}


def test_traffic_like_the_reference_does_not_alarm_however_often_it_is_looked_at(service, send, traffic, watch):
    """Ten windows of just enough answers; 1000 of them had no alarm (docs/monitor.md)."""
    for seed in range(1, 11):
        assert service.client.post(f"/models/{NAME}/load", headers=ADMIN).status_code == 200
        send(service, traffic(ENOUGH, seed))
        for one in figures(service).values():
            assert one["answers_needed"] <= ENOUGH
            assert one["psi"] < 0.25
    code, seen = watch(service)
    assert (code, seen["broken"]) == (0, {})
    assert seen["figures"]["drift_answers"] == ENOUGH
    assert seen["figures"]["drift_classes_psi"] == pytest.approx(exposed(service, "imgcls_drift_psi")["classes"])


def test_another_mix_of_classes_is_found_told_and_recovered_from(service, send, traffic, watch, tmp_path):
    script = tmp_path / "alert.py"
    script.write_text("import sys\nopen(sys.argv[1], 'a').write(sys.stdin.read())", encoding="utf-8")
    told = tmp_path / "told.jsonl"
    alert = ("--alert-command", f"{sys.executable} {script} {told}")
    send(service, traffic(ENOUGH, 1, shares=OTHER_SHARES))
    code, seen = watch(service, *alert)
    assert code == 1
    assert re.fullmatch(
        r"classes: PSI \d\.\d\d over 200 answers to all callers \(\d+ needed\), limit 0\.25", seen["broken"]["drift"]
    )
    assert watch(service, *alert)[0] == 1
    assert service.client.post(f"/models/{NAME}/load", headers=ADMIN).status_code == 200
    send(service, traffic(ENOUGH, 2))
    assert watch(service, *alert)[0] == 0
    states = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert [(each["rule"], each["state"]) for each in states] == [("drift", "broken"), ("drift", "recovered")]


def test_images_that_the_model_is_unsure_of_are_found_although_the_classes_are_the_same(service, send, traffic, watch):
    send(service, traffic(ENOUGH, 1, strongest=0.5))
    code, seen = watch(service)
    assert code == 1
    assert "confidence: PSI" in seen["broken"]["drift"]
    assert "entropy: PSI" in seen["broken"]["drift"]
    assert "classes" not in seen["broken"]["drift"]


def test_too_few_answers_are_not_judged_however_far_off_they_are(service, send, traffic, imgcls, tmp_path):
    send(service, traffic(50, 1, shares=(0, 0, 0, 0, 0, 0, 0, 1)))
    needed = exposed(service, "imgcls_drift_needed_answers")
    done = imgcls("client", "monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    assert done.returncode == 0, done.stderr
    assert f"drift: 50 of {max(needed.values()):.0f} answers needed" in done.stdout


def test_the_monitor_the_suite_and_the_load_test_are_no_traffic(service, watch, imgcls):
    assert watch(service)[1]["figures"]["golden_right"] == 1
    suite = imgcls("client", "suite", "--url", service.url, "--only", "correctness")
    assert suite.returncode in {0, 1}, suite.stderr
    assert imgcls("client", "bench", "--url", service.url, "--calls", 20, "--warm-up", "0s").returncode == 0
    assert service.client.get(f"/models/{NAME}/drift").json()["since_load"]["answers"] == 0


def test_the_report_draws_what_was_expected_beside_what_was_found(service, send, traffic, watch, imgcls, tmp_path):
    send(service, traffic(ENOUGH, 1, shares=OTHER_SHARES))
    watch(service)
    page = tmp_path / "report.html"
    done = imgcls("client", "monitor", "report", "--database", tmp_path / "m.sqlite", "--html", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    for of in ("confidence", "entropy"):
        assert f'aria-label="{of}, expected and actual"' in text
    classes = text.split("classes, expected and actual", 1)[1]
    assert "red" in classes
    assert "30.2%" in classes
    assert "the reference was measured on 2,000 images" in text
    assert "PSI classes" in done.stdout
