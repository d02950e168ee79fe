"""Google's and Azure's object stores on loopback, as far as gcsfs and adlfs ask them, for neither runs on this machine.

What counts is kept as their documentation has it: each write makes a new generation or ETag, a write whose condition
does not hold is answered 412 (409 where Azure is to create what is there) and changes nothing.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

AZURE_ACCOUNT = "account"
_AZURE_KEY = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5aw=="


class Objects:
    """Objects of one server: content and version by `bucket/key`.

    Attributes:
        before_write: called with the place before a write is judged; a test lets somebody else write there.
        conditions: of the writes so far, as they came.
    """

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, int]] = {}
        self.before_write: Callable[[str], None] = lambda _: None
        self.conditions: list[str] = []
        self._lock = threading.Lock()
        self._versions = 1700

    def write(self, place: str, content: bytes, condition: str, holds: Callable[[int | None], bool]) -> int | None:
        self.before_write(place)
        with self._lock:
            self.conditions.append(condition)
            if not holds(self.held[place][1] if place in self.held else None):
                return None
            self._versions += 1
            self.held[place] = (content, self._versions)
            return self._versions

    def below(self, bucket: str, prefix: str) -> tuple[list[str], list[str]]:
        """Gives keys directly below a prefix, and the prefixes of deeper ones."""
        keys = [
            place.removeprefix(f"{bucket}/") for place in sorted(self.held) if place.startswith(f"{bucket}/{prefix}")
        ]
        deeper = sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]})
        return [key for key in keys if "/" not in key[len(prefix) :]], deeper


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    objects: Objects

    def handle_any(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        body = self._body()
        self.answer(address.path, asked, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - as http.server names them

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, path: str, asked: dict[str, str], body: bytes) -> None:
        raise NotImplementedError

    def give(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def ranged(self, content: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Gives status, bytes and headers of what a Range header asks for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if asked is None:
            return 200, content, {}
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        if first >= len(content):
            return 416, b"", {}
        return 206, content[first : last + 1], {"Content_Range": f"bytes {first}-{last}/{len(content)}"}

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class _Google(_Handler):
    def answer(self, path: str, asked: dict[str, str], body: bytes) -> None:
        found = re.fullmatch(r"/(?:(upload|download)/)?storage/v1/b/([^/]+)(/o(?:/(.*))?)?", path)
        assert found, path
        bucket, key = unquote(found[2]), unquote(found[4] or asked.get("name", ""))
        place = f"{bucket}/{key}"
        if found[1] == "upload":
            return self._upload(bucket, key, asked, body)
        if found[3] is None:
            return self._json({"name": bucket})
        if not key:
            keys, deeper = self.objects.below(bucket, asked.get("prefix", ""))
            return self._json({"items": [self._resource(bucket, one) for one in keys], "prefixes": deeper})
        if place not in self.objects.held:
            return self._json({"error": {"code": 404, "message": "No such object"}}, 404)
        if self.command == "DELETE":
            del self.objects.held[place]
            return self.give(204)
        if asked.get("alt") != "media":
            return self._json(self._resource(bucket, key))
        status, content, headers = self.ranged(self.objects.held[place][0])
        return self.give(status, content, **headers)

    def _upload(self, bucket: str, key: str, asked: dict[str, str], body: bytes) -> None:
        if asked["uploadType"] == "multipart":
            _, described, content = body.split(b"--==0==", 2)
            key = json.loads(described.partition(b"\n\n")[2])["name"]
            body = content.partition(b"\n\n")[2].removesuffix(b"\n--==0==--")
        condition = asked.get("ifGenerationMatch")
        done = self.objects.write(
            f"{bucket}/{key}", body, str(condition), lambda now: condition is None or int(condition) == (now or 0)
        )
        if done is None:
            return self._json({"error": {"code": 412, "message": "conditionNotMet"}}, 412)
        return self._json(self._resource(bucket, key))

    def _resource(self, bucket: str, key: str) -> dict[str, str]:
        content, version = self.objects.held[f"{bucket}/{key}"]
        return {"name": key, "bucket": bucket, "size": str(len(content)), "generation": str(version)}

    def _json(self, document: object, status: int = 200) -> None:
        self.give(status, json.dumps(document).encode(), Content_Type="application/json")


class _Azure(_Handler):
    def answer(self, path: str, asked: dict[str, str], body: bytes) -> None:
        _, _, bucket, key = [*unquote(path).split("/", 3), ""][:4]
        place = f"{bucket}/{key}"
        if not key:
            return self._container(bucket, asked)
        if self.command == "PUT":
            return self._put(place, body)
        if place not in self.objects.held:
            return self._error(404, "BlobNotFound")
        if self.command == "DELETE":
            del self.objects.held[place]
            return self.give(202)
        content, version = self.objects.held[place]
        status, part, headers = self.ranged(content)
        return self.give(
            status,
            part,
            ETag=f'"{version}"',
            Last_Modified=formatdate(0, usegmt=True),
            x_ms_blob_type="BlockBlob",
            **headers,
            Content_Length=str(len(content if self.command == "HEAD" else part)),
        )

    def _put(self, place: str, body: bytes) -> None:
        match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")

        def holds(now: int | None) -> bool:
            return (match is None or match == f'"{now}"') and (none is None or now is None)

        version = self.objects.write(place, body, str(match or none), holds)
        if version is None:
            return self._error(409 if none else 412, "BlobAlreadyExists" if none else "ConditionNotMet")
        return self.give(201, ETag=f'"{version}"', Last_Modified=formatdate(0, usegmt=True))

    def _container(self, bucket: str, asked: dict[str, str]) -> None:
        if asked.get("comp") != "list":
            return self.give(200, ETag='"0"', Last_Modified=formatdate(0, usegmt=True))
        keys, deeper = self.objects.below(bucket, asked.get("prefix", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Content-Length>{len(content)}</Content-Length>"
            f"<Etag>{version}</Etag><BlobType>BlockBlob</BlobType></Properties></Blob>"
            for key in keys
            for content, version in (self.objects.held[f"{bucket}/{key}"],)
        )
        folders = "".join(f"<BlobPrefix><Name>{escape(one)}</Name></BlobPrefix>" for one in deeper)
        document = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{bucket}">'
            f"<Blobs>{blobs}{folders}</Blobs><NextMarker/></EnumerationResults>"
        )
        return self.give(200, document.encode(), Content_Type="application/xml")

    def _error(self, status: int, code: str) -> None:
        said = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.give(status, said.encode(), x_ms_error_code=code, Content_Type="application/xml")


@contextmanager
def object_store_server(protocol: str) -> Iterator[tuple[Objects, dict[str, str]]]:
    """Runs the store of a protocol ("gs" or "az"); gives its objects and the environment that leads there."""
    objects = Objects()
    kind = type("_Bound", (_Google if protocol == "gs" else _Azure,), {"objects": objects})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    connection = f"AccountName={AZURE_ACCOUNT};AccountKey={_AZURE_KEY};BlobEndpoint={url}/{AZURE_ACCOUNT};"
    google = {"STORAGE_EMULATOR_HOST": url, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    try:
        yield objects, google if protocol == "gs" else {"AZURE_STORAGE_CONNECTION_STRING": connection}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
