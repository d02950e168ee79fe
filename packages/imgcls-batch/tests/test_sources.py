"""The same images in every layout and place give the same answers."""

import http.server
import io
import tarfile
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imgcls_batch.run import read_ahead
from imgcls_batch.run.read_ahead import ReadAhead
from imgcls_batch.sources.faults import ImageLateError


def answers(rows: list[dict]) -> list[tuple]:
    """What the rows say, whatever the images are called."""
    return [(row["label"], row["probability"], row["sha256"], row["code"], row["detail"]) for row in rows]


@pytest.fixture(scope="session")
def everything(images, bad_images) -> dict[str, bytes]:
    """Names and bytes in the order of a listing."""
    return dict(sorted({**images, **{name: content for name, (content, _) in bad_images.items()}}.items()))


@pytest.fixture
def classify(run_cli, model, rows, tmp_path):
    """Runs over a source and gives the rows."""

    def run(source: object, *options: object) -> list[dict]:
        output = tmp_path / "out"
        outcome = run_cli("run", source, output, "--model", model, "--workers", 1, "--no-report", *options)
        assert outcome.code == 0, outcome.err
        return rows(output)

    return run


def test_tar_shards_are_read_in_place(classify, everything, finished, rows, tmp_path):
    for number, half in enumerate((list(everything)[:20], list(everything)[20:])):
        with tarfile.open(tmp_path / f"shard-{number}.tar", "w") as tar:
            for name in half:
                for member, content in ((name, everything[name]), (f"{name}.json", b"{}")):
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    found = classify(f"{tmp_path}/shard-*.tar")
    assert answers(found) == answers(rows(finished))
    assert found[0]["uri"] == f"{tmp_path}/shard-0.tar#{next(iter(everything))}"


def test_a_column_of_bytes_is_read_row_by_row(classify, everything, finished, rows, tmp_path):
    table = pa.table({"name": list(everything), "image": pa.array(everything.values(), pa.binary())})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=7)
    assert answers(classify(tmp_path / "images.parquet")) == answers(rows(finished))


def test_a_column_of_bytes_and_paths_as_hugging_face_writes_it(classify, everything, finished, rows, tmp_path):
    column = pa.array([{"bytes": content, "path": name} for name, content in everything.items()])
    pq.write_table(pa.table({"image": column, "label": [0] * len(column)}), tmp_path / "images.parquet")
    assert answers(classify(tmp_path / "images.parquet")) == answers(rows(finished))


def test_a_column_of_paths_is_a_list(classify, everything, finished, rows, folder, tmp_path):
    pq.write_table(pa.table({"where": [f"{folder}/{name}" for name in everything]}), tmp_path / "list.parquet")
    found = classify(tmp_path / "list.parquet", "--column", "where")
    assert answers(found) == answers(rows(finished))


def test_a_glob_takes_what_it_matches(classify, folder):
    found = classify(f"{folder}/**/*-[0-3].jpg")
    assert len(found) == 20
    assert {row["code"] for row in found} == {None}


def test_a_column_that_is_not_there_is_told_with_those_that_are(run_cli, model, tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "list.parquet")
    outcome = run_cli("run", tmp_path / "list.parquet", tmp_path / "out", "--model", model)
    assert outcome.code == 2
    assert "it has a, b" in outcome.err


@pytest.fixture
def web(folder: Path):
    """A web server with the images and with trouble: slow.jpg never ends, cut.jpg ends early, 500.jpg fails."""
    ended = threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            if self.path.startswith("/trouble"):
                self.trouble(self.path.rsplit("/", 1)[-1])
            else:
                super().do_GET()

        def trouble(self, kind: str):
            if kind == "500.jpg":
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"\xff\xd8 the beginning")
            self.wfile.flush()
            if kind == "slow.jpg":
                ended.wait(30)
            self.close_connection = True

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_addresses_on_the_web_and_each_of_their_troubles(classify, web, write_list, tmp_path):
    names = ("red/red-0.jpg", "trouble/slow.jpg", "trouble/cut.jpg", "trouble/500.jpg", "gone.jpg", "bad/heavy.jpg")
    urls = [*(f"{web}/{name}" for name in names), "ftp://127.0.0.1/red.jpg", f"{web}/blue/blue-1.jpg"]
    found = classify(write_list(tmp_path / "list.csv", urls), "--timeout", 2)
    assert [row["code"] for row in found] == [
        None,
        "deadline_exceeded",
        "url_failed",
        "url_failed",
        "not_found",
        "image_too_large",
        "url_failed",
        None,
    ]
    assert "its host answers 500" in found[3]["detail"]


def test_a_source_that_hangs_costs_its_own_row(classify, web, write_list, tmp_path):
    hanging = [f"{web}/trouble/slow.jpg?{i}" for i in range(8)]
    urls = [url for slow in hanging for url in (slow, f"{web}/red/red-0.jpg")]
    found = classify(write_list(tmp_path / "list.csv", urls), "--timeout", 1, "--readers", 4)
    assert [row["code"] for row in found] == ["deadline_exceeded", None] * 8


def test_a_row_does_not_depend_on_who_noticed_that_a_source_hangs(monkeypatch):
    """Whoever reads keeps the limit; where it cannot on a busy machine, whoever waits gives up with the same words."""
    monkeypatch.setattr(read_ahead, "_GRACE_S", 0.0)
    released = threading.Event()
    late = next(ReadAhead(lambda _: released.wait(), threads=1, timeout_s=0.02)([0]))
    released.set()
    assert str(late.error) == str(ImageLateError(0.02))
