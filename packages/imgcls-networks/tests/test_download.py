"""Downloads against a real server on loopback that breaks off, lies, disappears and recovers."""

import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from imgcls_cli.progress import SilentProgress
from imgcls_networks.errors import DownloadError
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import WeightsSource

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Answers each request by the next of its behaviours, the last one for ever; remembers the Range headers."""

    def __init__(self):
        self.behaviours: list[Callable] = [whole]
        self.ranges: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.ranges.append(self.headers["Range"])
                behave = outer.behaviours.pop(0) if len(outer.behaviours) > 1 else outer.behaviours[0]
                behave(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/files/weights.pth"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def send(handler, content, *, status=200, announced=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(announced if announced is not None else len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def whole(handler):
    start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
    if start:
        range_ = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        send(handler, CONTENT[start:], status=206, Content_Range=range_)
    else:
        send(handler, CONTENT)


def breaks_off(handler):
    send(handler, CONTENT[:100_000], announced=len(CONTENT))
    handler.close_connection = True


def hangs_up(handler):
    handler.close_connection = True


def ignores_ranges(handler):
    send(handler, CONTENT)


def refuses_the_range(handler):
    send(handler, b"", status=416)


def lies(handler):
    send(handler, b"something else entirely")


def is_gone(handler):
    send(handler, b"gone", status=404)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def get(server, tmp_path):
    def fetched(sources=None):
        sources = sources or [WeightsSource(server.url, SHA256)]
        return fetch(sources, what="resnet18", progress=SilentProgress(), folder=tmp_path / "cache")

    return fetched


def test_a_file_is_downloaded_once(server, get):
    first = get()
    assert first.read_bytes() == CONTENT
    assert get() == first
    assert server.ranges == [None]


def test_a_download_that_broke_off_is_resumed_where_it_stopped(server, get):
    server.behaviours = [breaks_off, whole]
    assert get().read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_later_command_resumes_what_an_earlier_one_began(server, get):
    server.behaviours = [breaks_off, is_gone]
    with pytest.raises(DownloadError):
        get()
    server.behaviours = [whole]
    assert get().read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize("answer", [ignores_ranges, refuses_the_range])
def test_a_server_that_cannot_resume_sends_everything_again(server, get, answer):
    server.behaviours = [breaks_off, answer, whole]
    assert get().read_bytes() == CONTENT


def test_another_file_is_never_kept(server, get, tmp_path):
    server.behaviours = [lies]
    with pytest.raises(DownloadError, match="it served another file: SHA-256 "):
        get()
    assert list((tmp_path / "cache").iterdir()) == []
    server.behaviours = [whole]
    assert get().read_bytes() == CONTENT


def test_a_damaged_cache_is_noticed_and_replaced(server, get):
    get().write_bytes(b"damaged")
    assert get().read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_the_next_source_is_tried(server, get):
    refusing = WeightsSource("http://127.0.0.1:9/weights.pth", SHA256)
    assert get([refusing, WeightsSource(server.url, SHA256)]).read_bytes() == CONTENT


def test_a_try_that_brought_nothing_is_the_last_one(server, get):
    """Whoever waits for the sentence that says so does not wait three times."""
    server.behaviours = [hangs_up]
    with pytest.raises(DownloadError, match="RemoteProtocolError"):
        get()
    assert server.ranges == [None]


def test_a_source_that_keeps_breaking_off_is_given_up(server, get):
    server.behaviours = [breaks_off]
    with pytest.raises(DownloadError):
        get()
    assert server.ranges == [None, "bytes=100000-", "bytes=100000-"]


def test_proxy_settings_that_make_no_sense_are_told_as_they_are(server, get, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://127.0.0.1")
    with pytest.raises(DownloadError, match="the proxy settings of this machine cannot be used: "):
        get()


def test_a_pin_may_be_the_first_digits_alone(server, get):
    assert get([WeightsSource(server.url, SHA256[:8])]).read_bytes() == CONTENT


def test_the_error_says_what_every_source_did_and_the_two_ways_on(server, get):
    server.behaviours = [is_gone]
    with pytest.raises(DownloadError) as failed:
        get([WeightsSource(server.url, SHA256), WeightsSource("http://127.0.0.1:9/weights.pth", SHA256)])
    text = str(failed.value)
    assert f"{server.url} (HTTP 404 Not Found)" in text
    assert "http://127.0.0.1:9/weights.pth (ConnectError: " in text
    assert "`--weights FILE`" in text
    assert "name another MODEL (`imgcls-convert --list`; everyday100 comes with the package)" in text
