"""A conversion whose disk fails at any operation leaves what was there whole, says so, and works the next time."""

import functools
from functools import partial

import pytest
from imgcls_convert import conversion
from imgcls_core.artifact.seal import check_seal
from imgcls_testing.failing_disk import Failure, attempts, failing_disk


@pytest.fixture
def what_needs_no_disk_is_done_once(monkeypatch):
    for name in ("load_classifier", "select_images", "record_golden", "export_network"):
        function, done = getattr(conversion, name), []

        @functools.wraps(function)
        def once(*args, function=function, done=done, **options):
            if not done:
                done.append(function(*args, **options))
            return done[0]

        monkeypatch.setattr(conversion, name, once)


@pytest.mark.usefixtures("what_needs_no_disk_is_done_once")
@pytest.mark.parametrize("failure", Failure)
def test_an_artifact_is_the_old_one_or_the_new_one(colours_model, run_cli, tmp_path, failure):
    folder = tmp_path / "models"
    output = folder / "c.onnx"

    def convert(*options):
        return run_cli(*colours_model, "--skip-verify", "--output", output, *options)

    assert convert().code == 0
    after = output.read_bytes()
    assert convert("--mean", 0.4, 0.4, 0.4).code == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before["c.onnx"] != after
    tried = 0
    for attempt in attempts(partial(failing_disk, folder, failure), convert):
        tried = attempt.at
        now = output.read_bytes()
        assert now in {before["c.onnx"], after}
        check_seal(output)
        if (outcome := attempt.result) is not None and attempt.has_failed:
            assert outcome.code in ({0, 2, 5} if now == after else {2, 5}), outcome.err
            assert not outcome.code or "cannot be written: " in outcome.sentence
        assert failure is not Failure.FULL or {path.name for path in folder.iterdir()} == before.keys()
        if failure is Failure.KILLED and attempt.has_failed:  # which leaves the most behind
            assert convert().code == 0
            assert output.read_bytes() == after
        for name, content in before.items():
            (folder / name).write_bytes(content)
    assert tried > 10
