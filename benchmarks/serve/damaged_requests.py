"""Images and requests that are damaged in the ways in which files and clients get damaged."""

from __future__ import annotations

import json
import random

from service_process import post


def mutated(source: random.Random, image: bytes) -> bytes:
    """Damages an encoded image in one of the ways in which files get damaged."""
    damaged = bytearray(image)
    kind = source.randrange(6)
    if kind == 0:
        return bytes(damaged[: source.randrange(len(damaged))])
    if kind == 1:
        for _ in range(source.randrange(1, 40)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
    elif kind == 2:
        for _ in range(source.randrange(1, 8)):
            damaged[source.randrange(min(700, len(damaged)))] = source.randrange(256)
    elif kind == 3:
        start, length = source.randrange(len(damaged)), source.randrange(2000)
        del damaged[start : start + length]
    elif kind == 4:
        start, length = source.randrange(len(damaged)), source.randrange(2000)
        damaged[start:start] = source.randbytes(length)
    else:
        start, other = source.randrange(len(damaged)), source.randrange(len(damaged))
        damaged[start : start + 500] = damaged[other : other + 500]
    return bytes(damaged)


def malformed(source: random.Random, image: bytes) -> bytes:
    """Gives a request that is wrong in itself."""
    text = json.dumps({"image_base64": "".join(source.choices("ABCabc+/=?", k=source.randrange(60)))}).encode()
    return source.choice(
        [
            post(image[:3000], media_type="multipart/form-data; boundary=x"),
            post(b"--x\r\n" + source.randbytes(200), media_type="multipart/form-data; boundary=x"),
            post(text[: source.randrange(len(text) + 1)], media_type="application/json"),
            post(source.randbytes(50), media_type="application/json"),
            post(source.randbytes(50), media_type=source.choice(["text/html", "image/x-nothing", "a/b/c", ";"])),
            post(image[:100], path=f"/predict?top_k={source.choice(['-1', '0', '1e9', 'x', '9' * 40])}"),
            post(image[:100], path=f"/predict?model={source.choice(['..', '%00', '%ff', 'a' * 3000])}"),
            post(image[:100], X_Request_Timeout_Ms=source.choice(["0", "-5", "x", "9" * 30])),
            post(source.randbytes(300), path="/v2/models/x/infer", Inference_Header_Content_Length="7"),
            post(source.randbytes(300), path="/predict/batch", media_type="application/json"),
            source.randbytes(200),
            b"GET /" + source.randbytes(30).replace(b"\n", b"") + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + source.randbytes(20),
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        ]
    )
