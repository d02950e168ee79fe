"""Requests and answers of the service, and where images and classes stand in them."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

Alter = Callable[[bytes], bytes]
_JSON_LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Headers:
    """Headers in their order; names in any case."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """Gives the first value of a name, or ""."""
        return next((value for key, value in self.fields if key.lower() == name), "")

    def with_(self, name: str, value: str | None) -> Headers:
        """Gives the headers with another value of a name, or without it."""
        rest = tuple(one for one in self.fields if one[0].lower() != name)
        return Headers(rest if value is None else (*rest, (name, value)))


@dataclass(frozen=True)
class Request:
    """What a caller sends."""

    method: str
    target: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def way(self) -> str:
        """Which of the ways it is on which callers send images; "" for everything else."""
        media, path = self.headers.get("content-type").split(";")[0], self.path
        if self.method != "POST":
            return ""
        if path == "/predict/batch":
            return "batch_json" if media == "application/json" else "batch"
        if path.startswith("/v2/") and path.endswith("/infer"):
            how = "binary" if self.headers.get(_JSON_LENGTH) else "json"
            return f"v2_{how}_{'encoded' if b'encoded_images' in self.body[:2000] else 'pixels'}"
        if path != "/predict":
            return ""
        if media == "multipart/form-data":
            return "multipart"
        if media == "application/json":
            return "data_uri" if b"data:image" in self.body[:200] else "base64"
        asked = parse_qs(urlsplit(self.target).query)
        return "vector" if asked.get("probabilities") == ["true"] else "top_k" if "top_k" in asked else "plain"

    def with_images(self, alter: Alter) -> Request:
        """Gives the request with every encoded image altered, sent in the same way."""
        way = self.way
        if way in {"plain", "vector", "top_k"}:
            image = alter(self.body)
            if image is self.body:
                return self
            return replace(self, headers=self.headers.with_("content-type", _media_type(image)), body=image)
        if way in {"multipart", "batch"}:
            return replace(self, body=_form(self.headers.get("content-type"), self.body, alter))
        if way in {"base64", "data_uri", "batch_json", "v2_json_encoded"}:
            return replace(self, body=json.dumps(_texts(json.loads(self.body), alter)).encode())
        if way == "v2_binary_encoded":
            return self._packed(alter)
        return self

    def with_pixels(self, alter: Callable[[np.ndarray], np.ndarray]) -> Request:
        """Gives the request with every tensor of pixels altered: uint8 [H, W, 3] → the same shape."""
        if self.way == "v2_json_pixels":
            document = json.loads(self.body)
            for tensor in document["inputs"]:
                pixels = np.array(tensor["data"], np.uint8).reshape(tensor["shape"])
                tensor["data"] = np.stack([alter(one) for one in pixels]).ravel().tolist()
            return replace(self, body=json.dumps(document).encode())
        if self.way == "v2_binary_pixels":
            length = int(self.headers.get(_JSON_LENGTH))
            shape = json.loads(self.body[:length])["inputs"][0]["shape"]
            pixels = np.frombuffer(self.body[length:], np.uint8).reshape(shape)
            return replace(self, body=self.body[:length] + np.stack([alter(one) for one in pixels]).tobytes())
        return self

    def _packed(self, alter: Alter) -> Request:
        length = int(self.headers.get(_JSON_LENGTH))
        document, packed = json.loads(self.body[:length]), self.body[length:]
        images: list[bytes] = []
        while packed:
            (size,) = struct.unpack("<I", packed[:4])
            images.append(alter(packed[4 : 4 + size]))
            packed = packed[4 + size :]
        tail = b"".join(struct.pack("<I", len(image)) + image for image in images)
        document["inputs"][0]["parameters"]["binary_data_size"] = len(tail)
        head = json.dumps(document).encode()
        return replace(self, headers=self.headers.with_(_JSON_LENGTH, str(len(head))), body=head + tail)


@dataclass(frozen=True)
class Answer:
    """What the service answers."""

    status: int
    headers: Headers
    body: bytes

    def document(self) -> Any:  # noqa: ANN401 - whatever the JSON holds
        """Gives the JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def with_document(self, document: object) -> Answer:
        """Gives the answer with another JSON."""
        return replace(self, body=json.dumps(document).encode())

    def with_rows(self, alter: Callable[[np.ndarray], np.ndarray]) -> Answer:
        """Gives an answer of the Open Inference Protocol with its rows altered: float32 [images, classes]."""
        length = int(self.headers.get(_JSON_LENGTH) or len(self.body))
        document = json.loads(self.body[:length])
        (output,) = document["outputs"]
        packed = self.body[length:]
        values = np.frombuffer(packed, "<f4") if packed else np.array(output["data"], np.float32)
        rows = alter(values.reshape(output["shape"]))
        if packed:
            return replace(self, body=self.body[:length] + rows.astype("<f4").tobytes())
        output["data"] = rows.ravel().tolist()
        return self.with_document(document)


def _media_type(image: bytes) -> str:
    return "image/bmp" if image.startswith(b"BM") else "image/png"


def _texts(document: Any, alter: Alter) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(document, list):
        return [_texts(one, alter) for one in document]
    if not isinstance(document, dict):
        return document
    if document.get("datatype") == "BYTES":
        return {**document, "data": [_base64(one, alter) for one in document["data"]]}
    return {
        key: _base64(value, alter) if key == "image_base64" and isinstance(value, str) else _texts(value, alter)
        for key, value in document.items()
    }


def _base64(text: str, alter: Alter) -> str:
    head, comma, encoded = text.rpartition(",")
    try:
        before = base64.b64decode(encoded, validate=True)
    except ValueError:
        return text
    after = alter(before)
    return text if after is before else head + comma + base64.b64encode(after).decode()


def _form(content_type: str, body: bytes, alter: Alter) -> bytes:
    header = Message()
    header["content-type"] = content_type
    mark = b"--" + str(header.get_param("boundary")).encode()
    parts = re.split(b"(?:^|\r\n)" + re.escape(mark), body)
    for number in range(1, len(parts) - 1):
        head, blank, image = parts[number].partition(b"\r\n\r\n")
        after = alter(image)
        if after is not image:
            head = re.sub(rb"(?i)content-type: [^\r]*", b"Content-Type: " + _media_type(after).encode(), head)
            parts[number] = head + blank + after
    return (b"\r\n" + mark).join(parts).removeprefix(b"\r\n")
