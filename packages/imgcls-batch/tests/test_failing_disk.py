"""A run whose OUTPUT fails at any operation keeps whole files, says so, and goes on with the same command."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from imgcls_batch.commands import run_session
from imgcls_batch.run import classification, worker
from imgcls_batch.run.job import BatchJob, ShardOutcome, ShardTask
from imgcls_batch.run.worker import ShardWorker
from imgcls_core import OnnxClassifier
from imgcls_testing.failing_disk import Failure, attempts, failing_disk


class HereAndNow:
    """An engine without processes, in which the disk would not fail."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def outcomes(self, job: BatchJob, shards: Iterable[int]) -> Iterator[ShardOutcome]:
        worker = ShardWorker(job)
        for shard in shards:
            yield worker.classify(ShardTask(shard), lambda _: None)


@pytest.mark.parametrize("failure", Failure)
def test_a_run_on_a_disk_that_fails_at_any_operation_goes_on_later(
    run_cli, folder, model, rows, tmp_path, monkeypatch, failure
) -> None:
    monkeypatch.setattr(run_session, "ProcessPool", HereAndNow)
    # The artifact lies elsewhere; to load and to check it is most of so small a run.
    monkeypatch.setattr(OnnxClassifier, "check_golden", lambda _: None)
    for module in (classification, worker):
        monkeypatch.setattr(module, "OnnxClassifier", cache(OnnxClassifier))
    output = tmp_path / "out"

    def run():
        return run_cli("run", folder / "red", output, "--model", model, "--shard-size", 4, "--no-report")

    assert run().code == 0
    expected = rows(output)
    shutil.rmtree(output)
    tried = 0
    for attempt in attempts(partial(failing_disk, output, failure), run):
        tried = attempt.at
        for path in Path(output).glob("*.parquet"):
            pq.read_table(path)
        if attempt.result is not None:
            assert "Traceback" not in attempt.result.err
            assert attempt.result.code == 0 or "OUTPUT" in attempt.result.sentence, attempt.result.err
            assert attempt.result.code in {0, 2, 3}
        if attempt.has_failed:
            again = run()
            assert again.code == 0, again.err
        assert rows(output) == expected
        shutil.rmtree(output)
    assert tried > 15
