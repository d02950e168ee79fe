"""The service behind a reverse proxy that publishes it under a prefix and strips that prefix."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import httpx

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

PREFIX = "/a/imgcls"
LINK = re.compile(r'(?:href|src)="([^"]+)"')
REQUEST = re.compile(r'(?:ask|fetch)\("([^"?]+)')


@contextmanager
def stripping_proxy(target: str) -> Generator[str]:
    """Gives the address of a proxy that knows nothing but `PREFIX`."""
    host = urlsplit(target).netloc

    class Proxy(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection(host, timeout=20)
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            upstream.request(self.command, self.path.removeprefix(PREFIX), body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("content-type", answer.getheader("content-type", ""))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_GET = do_POST = handle_any  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_pages_and_openapi_work_under_a_prefix(start_service: StartService, picture_of: PictureOf) -> None:
    with start_service(root_path=PREFIX) as running, stripping_proxy(running.url) as base, httpx.Client() as client:
        for page in ("", "docs"):
            address = urljoin(base, page)
            links = LINK.findall(client.get(address).text)
            assert links
            for link in links:
                assert client.get(urljoin(address, link)).status_code == 200, link
        scripts = [client.get(urljoin(base, f"assets/{name}.js")).text for name in ("page", "docs")]
        requests = {request for script in scripts for request in REQUEST.findall(script)}
        assert requests == {"health", "models", "openapi.json"}
        assert not [script for script in scripts if re.search(r"[\"'`]/[a-z]", script)], "an address from the root"
        for request in requests:
            assert client.get(urljoin(base, request)).status_code == 200, request
        document = client.get(urljoin(base, "openapi.json")).json()
        predict = urljoin(base, document["servers"][0]["url"] + "/predict")
        answer = client.post(predict, content=picture_of("red"), headers={"content-type": "image/png"})
        assert answer.json()["label"] == "red"
