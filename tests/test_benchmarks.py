"""The measurements under `benchmarks/` that others are told to run, in small."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ARTIFACT = ROOT / "packages/imgcls-everyday100/src/imgcls_everyday100/everyday100.onnx"


@pytest.fixture(scope="module", autouse=True)
def _peers_on_the_path() -> Iterator[None]:
    """Scripts import what lies beside them; the names are taken back, for they are everyday words."""
    folder = ROOT / "benchmarks/peers"
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def plain_endpoint(packaged_photos: Path) -> Iterator[Any]:
    """The plain endpoint among the peers, in this environment: it needs nothing that is not here."""
    from contestants import PEERS
    from running import running

    one = replace(PEERS[0], versions=None)
    with running(one, sys.executable, ARTIFACT, (packaged_photos / "coffee.jpg").read_bytes()) as server:
        yield server
    assert (server.exit_code, server.left_behind) == (0, 0)


def test_a_peer_answers_as_the_artifact_before_it_is_measured(plain_endpoint: Any, packaged_photos: Path) -> None:
    from answers import TOLERANCE, check, truth
    from running import LeftOutError

    images = [path.read_bytes() for path in sorted(packaged_photos.glob("*.*g"))]
    expected = truth(ARTIFACT, images)
    assert check(plain_endpoint, images, expected) <= TOLERANCE
    (class_id, probability), *rest = expected[0]
    for wrong in ([(class_id + 1, probability), *rest], [(class_id, probability + 0.01), *rest]):
        with pytest.raises(LeftOutError, match="photo 0: answered"):
            check(plain_endpoint, images[:1], [wrong])


def test_all_processes_of_a_peer_count(plain_endpoint: Any) -> None:
    parent = plain_endpoint.living()[0]
    assert plain_endpoint.processes() > 1
    assert plain_endpoint.memory_mb() * 1e6 > parent.memory_full_info().pss
    assert plain_endpoint.cpu_s() > sum(parent.cpu_times()[:2])


def test_a_peer_is_compared_with_the_limit_of_its_own_minutes() -> None:
    from table import best_peer, reduced_words, summary

    def one(name: str, precision: str, rate: float, limit: float) -> dict[str, Any]:
        load = {
            "requests_per_s": rate,
            "p50_ms": 1,
            "p99_ms": 2,
            "errors": 0,
            "cpu_ms_per_image": 1000 / rate,
            "other_cpus": 0,
        }
        bound = {"images_per_s": limit, "cpu_ms_per_image": 1000 / limit}
        other = dict.fromkeys(("started_s", "memory_mb", "processes", "left_behind", "worst_difference"), 0)
        told = {"name": name, "precision": precision, "version": "1", "limit_before": bound, "limit_after": bound}
        return {**told, **other, "c8": load, "c32": load}

    # The slow one by images/s was measured while the machine was slow.
    rounds = [one("ours", "fp32", 90, 100), one("near", "fp32", 40, 50), one("far", "fp32", 60, 100)]
    assert [(row["name"], row["share_c32"], row["cpu_share"]) for row in summary(rounds)] == [
        ("ours", 0.9, 0.9),
        ("near", 0.8, 0.8),
        ("far", 0.6, 0.6),
    ]
    assert best_peer(rounds, "ours") == "near"
    both = [*rounds[:2], one("ours", "int8", 180, 200), one("near", "int8", 150, 200)]
    assert [line.split(" | ")[2] for line in reduced_words(summary(both), "ours", "fp32")] == ["4.50", "2.25", "1.20"]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk loads the service")
def test_the_gpu_measurement_runs_whole_on_the_cpu_and_claims_no_gpu(packaged_photos: Path, tmp_path: Path) -> None:
    small = [
        "--provider",
        "cpu",
        "--seconds",
        "1",
        "--callers",
        "1",
        "2",
        "--batches",
        "1",
        "2",
        "--starts",
        "1",
        "--price",
        "3.6",
    ]
    command = [sys.executable, ROOT / "benchmarks/gpu/run.py", tmp_path, packaged_photos, ARTIFACT, *small]
    subprocess.run(command, check=True, cwd=tmp_path)
    document = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert document["gpu"].startswith("none")
    (found,) = document["artifacts"]
    assert found["exactness"]["ok"]
    assert found["exactness"]["golden_cases"] > 0
    measured = [row for row in found["network"] if "left_out" not in row]
    assert {(row["way"], row["batch"]) for row in measured} == {(w, b) for w in ("plain", "IO binding") for b in (1, 2)}
    assert all(row["same_class"] == 1 for row in measured)
    assert {row["way"] for row in found["network"]} - {row["way"] for row in measured} == {"CUDA graph", "TensorRT"}
    assert [load["callers"] for load in found["service"]["loads"]] == [1, 2]
    rate = max(load["requests_per_s"] for load in found["service"]["loads"])
    assert found["cost_per_million"] == pytest.approx(1000 / rate, rel=1e-3)
    assert "tried on the CPU" in (tmp_path / "gpu.html").read_text(encoding="utf-8")


def test_without_a_gpu_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = subprocess.run(
        [ROOT / "benchmarks/gpu/run.sh", tmp_path / "out", "--images", tmp_path],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("No GPU was measured")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
