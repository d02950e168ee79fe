"""Source and output on a real S3-compatible server on loopback, which fails as real ones do."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from imgcls_batch.sources.places import store_of
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response


class FailingStore:
    """moto, but that each image fails once: with a 500, with half of its bytes, or by hanging up; some never come."""

    def __init__(self) -> None:
        self._store = DomainDispatcherApplication(create_backend_app)
        self._asked: Counter[str] = Counter()
        self._stopped = threading.Event()
        self.is_failing = False

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if not self.is_failing or environ["REQUEST_METHOD"] != "GET" or not path.endswith(".jpg"):
            return self._store(environ, start_response)
        self._asked[path] += 1
        if "broken" in path:
            return Response("<Error><Code>InternalError</Code></Error>", 500)(environ, start_response)
        if "hanging" in path:
            self._stopped.wait(20)
        if self._asked[path] > 1:
            return self._store(environ, start_response)
        kind = sum(path.encode()) % 3
        if kind == 0:
            return Response("<Error><Code>InternalError</Code></Error>", 500)(environ, start_response)
        if kind == 1:
            return Response("<Error><Code>SlowDown</Code></Error>", 503)(environ, start_response)
        start_response("200 OK", [("Content-Length", "5000"), ("Content-Type", "image/jpeg")])
        return [b"\xff\xd8 the beginning"]

    def stop(self) -> None:
        self._stopped.set()


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[FailingStore, str]]:
    application = FailingStore()
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield application, f"http://127.0.0.1:{server.server_port}"
    application.stop()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(store, monkeypatch) -> Iterator[s3fs.S3FileSystem]:
    for name, value in {
        "AWS_ENDPOINT_URL": store[1],
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store_of.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()
    found = s3fs.S3FileSystem()
    found.makedirs("images", exist_ok=True)
    yield found
    found.rm("images", recursive=True)
    store_of.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()


def rows_in(bucket: s3fs.S3FileSystem, output: str) -> list[dict]:
    files = sorted(bucket.glob(f"{output}/*.parquet"))
    return pa.concat_tables([pq.read_table(bucket.open(name)) for name in files]).to_pylist()


def test_a_bucket_that_fails_now_and_then_gives_the_same_rows_as_a_folder(
    run_cli, bucket, store, folder: Path, finished, rows, model
):
    bucket.put(str(folder), "images/in", recursive=True)
    store[0].is_failing = True
    outcome = run_cli("run", "s3://images/in", "s3://images/out", "--model", model, "--workers", 1, "--no-report")
    store[0].is_failing = False
    assert outcome.code == 0, outcome.err
    found, expected = rows_in(bucket, "images/out"), rows(finished)
    for row in (*found, *expected):
        row["uri"] = row["uri"].removeprefix("s3://images/in/").removeprefix(f"{folder}/")
    assert found == expected
    again = run_cli("run", "s3://images/in", "s3://images/out", "--model", model, "--workers", 1, "--no-report")
    assert "0 in this session" in again.out


def test_an_object_that_never_comes_is_a_row(run_cli, bucket, store, images, model):
    for name in ("in/broken.jpg", "in/hanging.jpg", "in/whole.jpg"):
        bucket.pipe_file(f"images/{name}", images["red/red-0.jpg"])
    bucket.pipe_file(
        "images/list.txt", b"s3://images/in/broken.jpg\nin/hanging.jpg\ns3://images/gone.jpg\nin/whole.jpg"
    )
    store[0].is_failing = True
    outcome = run_cli(
        *("run", "s3://images/list.txt", "s3://images/out"),
        *("--model", model, "--workers", 1, "--no-report", "--timeout", 3),
    )
    store[0].is_failing = False
    assert outcome.code == 0, outcome.err
    codes = [row["code"] for row in rows_in(bucket, "images/out")]
    assert codes[0] in {"url_failed", "deadline_exceeded"}, "s3fs tries again for a time of its own"
    assert codes[1:] == ["deadline_exceeded", "not_found", None]


def test_a_shard_that_somebody_has_written_stays_as_it_is(run_cli, bucket, images, model):
    bucket.pipe_file("images/in/red.jpg", images["red/red-0.jpg"])
    assert (
        run_cli("run", "s3://images/in", "s3://images/out", "--model", model, "--workers", 1, "--no-report").code == 0
    )
    from imgcls_batch.output.objects import open_output

    output = open_output("s3://images/out")
    (name,) = output.names("")
    assert not output.create(name, b"other rows")
    assert output.read(name) != b"other rows"


def test_a_bucket_that_is_not_there_is_one_sentence(run_cli, bucket, folder, model):
    nowhere = run_cli("run", folder, "s3://nowhere/out", "--model", model)
    assert nowhere.code == 3
    assert "OUTPUT 's3://nowhere/out' cannot be reached or refuses" in nowhere.err
    assert run_cli("run", "s3://nowhere/in", "s3://images/out", "--model", model).code == 2
