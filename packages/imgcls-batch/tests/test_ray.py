"""The same command on a Ray cluster on loopback."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one processor each; their logs are not ours."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield found
    found.shutdown()


def test_a_cluster_that_loses_a_node_writes_the_same_files(cluster, folder: Path, finished: Path, model, tmp_path):
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    output = tmp_path / "out"
    arguments = ["run", folder, output, "--model", model, "--ray", cluster.address, "--json", "--workers", 2]
    running = subprocess.Popen(
        [sys.executable, "-m", "imgcls_batch", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with running:
        try:
            assert running.stdout is not None
            assert b'"began"' in running.stdout.readline()
            cluster.remove_node(node, allow_graceful=False)
            _, said = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 0, said.decode()
    names = sorted(path.name for path in finished.glob("*.parquet"))
    assert sorted(path.name for path in output.glob("*.parquet")) == names
    for name in names:
        assert (output / name).read_bytes() == (finished / name).read_bytes()


def test_a_cluster_that_is_not_there_is_one_sentence(run_cli, folder, model, tmp_path):
    outcome = run_cli("run", folder, tmp_path / "out", "--model", model, "--ray", "127.0.0.1:1")
    assert outcome.code == 3
    assert "The Ray cluster at '127.0.0.1:1' cannot be reached" in outcome.err
