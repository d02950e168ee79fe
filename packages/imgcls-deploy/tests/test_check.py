"""`imgcls-deploy check` passes what is in the repository and catches each mistake that costs a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Deploy


# Each line: what is replaced in which file, and what the sentence must name.
CONFIG_MISTAKES = {
    "open to everybody": ("disable_auth = false", "disable_auth = true", "must be false"),
    "open by omission": ("disable_auth = false", "", "disable_auth is missing"),
    "misspelled key": ("max_replicas", "max_replica", "scaling.max_replica: there is no such key"),
    "dead key": ("gpu_count = 1", 'gpu_count = 1\ngpu = "L4"', "hardware.gpu: there is no such key"),
    "key left out": ("cooldown = 60", "", "scaling.cooldown is missing"),
    "unknown table": ("[cerebrium.hardware]", "[cerebrium.dependencies.pip]\n\n[cerebrium.hardware]", "dependencies"),
    "docker table of drafts": ("runtime.custom", "runtime.docker", "runtime.docker: there is no such key"),
    "number as text": ("port = 8192", 'port = "8192"', "runtime.custom.port is '8192'"),
    "not TOML": ("port = 8192", "port =", "is not TOML"),
    "another port": ("port = 8192", "port = 8000", "the Dockerfile exposes 8192"),
    "endpoint without slash": ('"/ready"', '"ready"', "readycheck_endpoint is 'ready'"),
    "Dockerfile elsewhere": ("./docker/Dockerfile", "./Dockerfile", "no such file"),
    "Dockerfile not sent": ('    "docker/Dockerfile",\n', "", "no Dockerfile"),
    "lock not sent": ('    "uv.lock",\n', "", "copies 'uv.lock'"),
    "licence not sent": ('    "apps/serve/LICENSE",\n', "", "'apps/serve/LICENSE' in it"),
    "sources not sent": ('    "packages/imgcls-core/src/**",\n', "", "imgcls_core/artifact/metadata.py' in it"),
    "artifact not sent": ('    "models/resnet18.onnx",\n', "", "copies 'models/resnet18.onnx'"),
    "artifact excluded": ('exclude = [".*"', 'exclude = ["**/*.onnx"', "copies 'models/resnet18.onnx'"),
    "everything sent": ('    "cerebrium.toml",\n', '    "./*",\n', ".git/config"),
    "no such GPU": ('"ADA_L4"', '"ADA_L5"', "'ADA_L5'"),
    "GPU and CPU": ('"ADA_L4"', '"CPU"', "mixes CPU and GPU"),
    "GPU of a paid plan": ('"ADA_L4"', '"HOPPER_H100"', "plan hobby lacks"),
    "GPU not in the region": ('"us-east-1"', '"us-central1"', "has no ADA_L4"),
    "no such region": ('"us-east-1"', '"eu-west-2"', "'eu-west-2'"),
    "fraction of a processor": ("cpu = 4", "cpu = 2.5", "whole number"),
    "too many processors": ("cpu = 4", "cpu = 12", "allows 11"),
    "too much memory": ("memory = 16.0", "memory = 45.0", "44 GB"),
    "no GPU counted": ("gpu_count = 1", "gpu_count = 0", "at least 1"),
    "two GPUs on the free plan": ("gpu_count = 1", "gpu_count = 2", "the plan hobby allows 1"),
    "too many replicas": ("max_replicas = 3", "max_replicas = 9", "the plan hobby allows 5"),
    "fewer than the least": ("min_replicas = 0", "min_replicas = 4", "above max_replicas"),
    "metric without replica": ('"concurrency_utilization"', '"cpu_utilization"', "needs min_replicas"),
    "target beyond 100 %": ("scaling_target = 80", "scaling_target = 101", "a percentage"),
    "unknown balancing": ('"min-connections"', '"fastest"', "load_balancing_algorithm"),
    "unknown tier": ('"interruptible"', '"spot"', "compute_tier"),
    "batches never fill": ("replica_concurrency = 64", "replica_concurrency = 16", "would never fill"),
    "more than the queue": ("replica_concurrency = 64", "replica_concurrency = 500", "IMGCLS_QUEUE_SIZE=128"),
    "killed while draining": ("response_grace_period = 300", "response_grace_period = 30", "killed"),
    "roll-out too long": ("roll_out_duration_seconds = 0", "roll_out_duration_seconds = 900", "roll_out"),
    "start too short": ("initialization_timeout = 600", "initialization_timeout = 30", "initialization_timeout"),
    "GPU for a CPU image": ('["ADA_L4", "AMPERE_A10", "TURING_T4"]', '"CPU"', "ARG CUDA=12"),
}
DOCKERFILE_MISTAKES = {
    "listens elsewhere": ("IMGCLS_PORT=8192", "IMGCLS_PORT=8000", "IMGCLS_PORT=8000"),
    "listens to itself": ("IMGCLS_HOST=0.0.0.0", "IMGCLS_HOST=127.0.0.1", "must be 0.0.0.0"),
    "nothing exposed": ("EXPOSE 8192", "", "exposes nothing"),
    "a shell as first process": ('CMD ["imgcls-serve"]', "CMD imgcls-serve", "SIGTERM"),
    "root": ("USER 10001:10001", "USER root", "runs as root"),
    "CPU image for a GPU": ("ARG CUDA=12", "ARG CUDA=", "ARG CUDA=`"),
    "another artifact": ("ARG MODEL=models/resnet18.onnx", "ARG MODEL=models/mine.onnx", "copies 'models/mine.onnx'"),
    "a file that is not sent": ("COPY apps/serve apps/serve", "COPY apps apps\nCOPY docs docs", "copies 'docs'"),
}


def test_what_is_in_the_repository_is_correct(deploy: Deploy) -> None:
    result = deploy("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("cerebrium.toml: ok. App 'imgcls' on ADA_L4")


@pytest.mark.parametrize("mistake", CONFIG_MISTAKES)
def test_a_mistake_in_cerebrium_toml_is_named(deploy: Deploy, copy: Path, mistake: str) -> None:
    (copy / ".git").mkdir()
    (copy / ".git/config").write_text("[remote]")
    _plant(copy / "cerebrium.toml", *CONFIG_MISTAKES[mistake], deploy)


@pytest.mark.parametrize("mistake", DOCKERFILE_MISTAKES)
def test_a_dockerfile_that_does_not_agree_is_named(deploy: Deploy, copy: Path, mistake: str) -> None:
    _plant(copy / "docker/Dockerfile", *DOCKERFILE_MISTAKES[mistake], deploy)


def test_a_batch_of_the_dockerfiles_own_is_the_one_that_must_fill(deploy: Deploy, copy: Path) -> None:
    path = copy / "docker/Dockerfile"
    path.write_text(path.read_text().replace("IMGCLS_PORT=8192", "IMGCLS_PORT=8192 IMGCLS_MAX_BATCH=128"))
    assert "a batch of 128 (IMGCLS_MAX_BATCH) would never fill" in deploy("check").stderr


def test_a_larger_plan_allows_more(deploy: Deploy, copy: Path) -> None:
    path = copy / "cerebrium.toml"
    path.write_text(path.read_text().replace('["ADA_L4", "AMPERE_A10", "TURING_T4"]', '"HOPPER_H100"'))
    assert deploy("check").exit_code == 1
    assert deploy("check", "--plan", "standard").exit_code == 0


def test_a_clone_without_artifact_is_correct_but_not_ready_to_upload(deploy: Deploy, copy: Path) -> None:
    (copy / "models/resnet18.onnx").unlink()
    assert deploy("check").exit_code == 0
    result = deploy("upload")
    assert result.exit_code == 1
    assert "uv run imgcls-convert" in result.stderr


def test_the_upload_has_what_the_build_copies_and_nothing_else(deploy: Deploy, copy: Path) -> None:
    for name in (
        ".git/config",
        ".venv/bin/python",
        ".env",
        "apps/serve/src/imgcls_serve/__pycache__/a.pyc",
        "docs/a.md",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("not to be sent")
    result = deploy("upload")
    assert result.exit_code == 0, result.stderr
    sent = [line.split()[1] for line in result.stdout.splitlines()]
    assert {"cerebrium.toml", "docker/Dockerfile", "uv.lock", "models/resnet18.onnx"} <= set(sent)
    assert "apps/serve/src/imgcls_serve/cli.py" in sent
    outside = [
        name
        for name in sent
        if not name.startswith(("packages/imgcls-contract/", "packages/imgcls-core/", "apps/serve/", "models/"))
    ]
    assert sorted(outside) == ["cerebrium.toml", "docker/Dockerfile", "pyproject.toml", "uv.lock"]
    assert not [name for name in sent if "/." in name or "__pycache__" in name or "/tests/" in name]


def _plant(path: Path, before: str, after: str, sentence: str, deploy: Deploy) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    result = deploy("check")
    assert result.exit_code == 1, result.stdout
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
