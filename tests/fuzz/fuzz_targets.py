"""What is given bytes of strangers, each as a function of bytes: it may refuse them by name, and nothing else.

Every target takes any bytes, returns when they were taken or refused, and raises when something else happened.
"""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast

import numpy as np
from imgcls_core.artifact.graph_check import check_graph
from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.artifact.props import read_parts
from imgcls_core.artifact.seal import checked_seal
from imgcls_core.artifact.signature import check_signatures
from imgcls_core.errors import ArtifactError, ImageError
from imgcls_core.images.decode import DecodeLimits, decode_image
from imgcls_core.images.header import ordinary_pixels
from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.checkpoint import load_checkpoint
from imgcls_serve.errors import InvalidBase64Error, InvalidParameterError
from imgcls_serve.http.bodies import decode_base64, media_type_of, parse_form
from imgcls_serve.http.requests import BatchJson, PredictJson, parse_json
from imgcls_serve.routes.tensors import images_of, parse_request
from torch import nn

# Small, so that an input takes a millisecond.
_LIMITS: Final = DecodeLimits(max_bytes=100_000, max_pixels=65_536)
_MOST_IMAGES: Final = 8
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SCRATCH: Final = Path("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())  # noqa: S108 - own names
_T = TypeVar("_T")


def image(data: bytes) -> None:
    """An image, and what its header says of the work."""
    variants = [data, _with_right_sums(data)] if data.startswith(_PNG) else [data]
    for one in variants:
        pixels = ordinary_pixels(one)
        with contextlib.suppress(ImageError):
            decoded = decode_image(one, _LIMITS)
            assert decoded.mode == "RGB", f"decoded to {decoded.mode}"
            assert pixels is None or pixels >= decoded.width * decoded.height, f"header says {pixels}, {decoded.size}"


def artifact(data: bytes) -> None:
    """An artifact's file, up to the moment when a runtime would build its graph."""
    with _file(data, ".onnx") as path:
        with contextlib.suppress(ArtifactError):
            check_graph(path)
        with contextlib.suppress(ArtifactError):
            parts = read_parts(path)
            with contextlib.suppress(ArtifactError):
                seal = checked_seal(parts, path=str(path))
                check_signatures(parts, seal, trusted=(), path=str(path))
            ArtifactMetadata.from_props(parts.props, path=str(path))


def tensors(data: bytes) -> None:
    """A request of the Open Inference Protocol: its first line is the length of the JSON part, or empty."""
    length, _, body = data.partition(b"\n")
    with contextlib.suppress(InvalidParameterError, InvalidBase64Error):
        asked, binary = _result(parse_request(body, length.decode("latin-1") if length else None))
        assert asked.output.name == "probabilities"
        for one in images_of(asked, binary, max_images=_MOST_IMAGES):
            assert isinstance(one, bytes) or (one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] == 3)


def body(data: bytes) -> None:
    """A body of `/predict` and `/predict/batch`: its first line is the media type."""
    header, _, content = data.partition(b"\n")
    context = cast("Any", SimpleNamespace(headers={b"content-type": header} if header else {}))
    media_type, options = media_type_of(context)
    with contextlib.suppress(InvalidParameterError, InvalidBase64Error):
        if media_type == "multipart/form-data":
            parts = parse_form(content, options, max_parts=_MOST_IMAGES)
            assert len(parts) <= _MOST_IMAGES
            assert sum(len(part) for _, part in parts) <= len(content)
        elif media_type == "application/json":
            with contextlib.suppress(InvalidParameterError, InvalidBase64Error):
                decode_base64(_result(parse_json(content, PredictJson)).image_base64 or "", field_name="image_base64")
            _result(parse_json(content, BatchJson, max_objects=_MOST_IMAGES))


def checkpoint(data: bytes) -> None:
    """A file of weights; its first byte says of which form."""
    form, content = data[:1], data[1:]
    suffix = ".pth"
    if form == b"P":  # a pickle among the storages that a mutation of the whole archive would seldom leave intact
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", "3\n")
            for number in range(3):
                archive.writestr(f"archive/data/{number}", bytes(64))
        content = buffer.getvalue()
    elif form == b"S":
        suffix = ".safetensors"
    elif form == b"J":
        suffix = ".index.json"
    with _file(content, suffix) as path, contextlib.suppress(CheckpointError):
        load_checkpoint(lambda: nn.Linear(2, 3), path)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    one.__name__: one for one in (image, artifact, tensors, body, checkpoint)
}


@contextlib.contextmanager
def _file(data: bytes, suffix: str) -> Generator[Path]:
    with tempfile.NamedTemporaryFile(dir=_SCRATCH, suffix=suffix) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


def _result(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs what needs no event loop, since the input is small."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def _with_right_sums(png: bytes) -> bytes:
    """Gives a PNG whose chunks have the checksums of their content, without which few mutations are looked at."""
    done, place = [_PNG], len(_PNG)
    while place + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        chunk = png[place + 4 : place + 8 + length]
        done.append(struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk)))
        place += 12 + length
    return b"".join(done)
