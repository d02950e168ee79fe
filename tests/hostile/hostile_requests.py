"""Requests that are small to send and costly to read: documents, tensors, forms; each says what it attacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple


class HostileRequest(NamedTuple):
    """A request, and the statuses that are right for it."""

    path: str
    body: bytes
    statuses: frozenset[int]
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


INFER = "/v2/models/colours/infer"
REFUSED = frozenset({400, 413, 422})


def batch_of_numbers() -> HostileRequest:
    """Three million entries that are no images: an error for each would be gigabytes."""
    return HostileRequest("/predict/batch", b'{"images":[' + b"0," * 2_999_999 + b"0]}", REFUSED)


def batch_of_empty_objects() -> HostileRequest:
    """The same with objects."""
    return HostileRequest("/predict/batch", b'{"images":[' + b"{}," * 2_999_999 + b"{}]}", REFUSED)


def batch_of_nested_arrays() -> HostileRequest:
    """As deep as a stack."""
    return HostileRequest("/predict/batch", b'{"images":' + b"[" * 5_000_000, REFUSED)


def many_unknown_members() -> HostileRequest:
    """26 MB of members that nobody asked for."""
    members = b",".join(b'"%07d":%d' % (place, place) for place in range(1_400_000))
    return HostileRequest("/predict", b"{" + members + b"}", REFUSED)


def base64_of_nothing() -> HostileRequest:
    """26 MB of text."""
    return HostileRequest("/predict", b'{"image_base64":"' + b"A" * 26_000_000 + b'"}', REFUSED)


def texts_of_one_long_and_many_empty() -> HostileRequest:
    """An array of fixed-width text would take the longest for each."""
    data = ["x" * 20_000] + [""] * 25_000
    return _tensor({"name": "encoded_images", "shape": [len(data)], "datatype": "BYTES", "data": data})


def texts_for_pixels() -> HostileRequest:
    """The same where numbers belong."""
    data = ["x" * 20_000] + [""] * 25_000
    return _tensor({"name": "images", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": data})


def numbers_of_four_thousand_digits() -> HostileRequest:
    """Python refuses to read such integers, with an error of its own."""
    body = b'{"inputs":[{"name":"images","shape":[1,1,1,%s],"datatype":"UINT8","data":[1,2,3]}]}' % (b"9" * 4000)
    return HostileRequest(INFER, body, REFUSED)


def pixels_of_four_thousand_digits() -> HostileRequest:
    """The same among the data."""
    body = b'{"inputs":[{"name":"images","shape":[1,1,1,3],"datatype":"UINT8","data":[1,2,%s]}]}' % (b"9" * 5000)
    return HostileRequest(INFER, body, REFUSED)


def length_of_four_thousand_digits() -> HostileRequest:
    """The same in a header."""
    headers = (("content-type", "application/octet-stream"), ("inference-header-content-length", "9" * 5000))
    return HostileRequest(INFER, b"{}", REFUSED, headers)


def deep_tensor() -> HostileRequest:
    """Brackets in brackets."""
    body = b'{"inputs":[{"name":"images","shape":[1,1,1,3],"datatype":"UINT8","data":' + b"[" * 1_000_000
    return HostileRequest(INFER, body, REFUSED)


def form_of_many_parts() -> HostileRequest:
    """A million empty parts."""
    part = b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n\r\n'
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    return HostileRequest("/predict", part * 300_000 + b"--b--\r\n", REFUSED, headers)


def form_of_endless_headers() -> HostileRequest:
    """One part whose headers do not end."""
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    return HostileRequest("/predict", b"--b\r\n" + b"x: y\r\n" * 3_000_000, REFUSED, headers)


def _tensor(tensor: dict[str, object]) -> HostileRequest:
    return HostileRequest(INFER, json.dumps({"inputs": [tensor]}).encode(), REFUSED)


REQUESTS: dict[str, Callable[[], HostileRequest]] = {
    make.__name__: make
    for make in (
        batch_of_numbers,
        batch_of_empty_objects,
        batch_of_nested_arrays,
        many_unknown_members,
        base64_of_nothing,
        texts_of_one_long_and_many_empty,
        texts_for_pixels,
        numbers_of_four_thousand_digits,
        pixels_of_four_thousand_digits,
        length_of_four_thousand_digits,
        deep_tensor,
        form_of_many_parts,
        form_of_endless_headers,
    )
}
