"""Good and odd inputs of every target, small, made here: what mutations begin with."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.artifact.props import read_parts
from imgcls_core.artifact.seal import sealed_artifact
from msgspec import structs
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save

_COLOURS: Final = Path(__file__).parents[1] / "data" / "colours.onnx"


def image() -> Iterator[bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 4), np.uint8)
    colour, alpha = Image.fromarray(pixels[..., :3].copy()), Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield from _saved(colour, "JPEG", {}, {"progressive": True}, {"exif": exif}, {"quality": 5, "subsampling": 2})
    yield from _saved(colour.convert("L"), "JPEG", {})
    yield from _saved(colour.convert("CMYK"), "JPEG", {})
    yield from _saved(colour, "PNG", {}, {"exif": exif})
    yield from _saved(alpha, "PNG", {})
    yield from _saved(colour.convert("P"), "PNG", {"transparency": 3})
    yield from _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG", {})
    yield from _saved(alpha, "WEBP", {"lossless": True}, {"quality": 10})
    yield from _saved(colour, "WEBP", {"quality": 10, "exif": exif})
    yield from _saved(colour, "BMP", {})
    yield from _saved(colour.convert("P"), "BMP", {})
    yield from _saved(colour.convert("P"), "GIF", {"transparency": 1}, {"save_all": True, "append_images": [colour]})
    yield from _saved(colour, "TIFF", {}, *({"compression": one} for one in ("tiff_lzw", "packbits", "tiff_deflate")))


def _saved(picture: Image.Image, kind: str, *options: dict[str, Any]) -> Iterator[bytes]:
    for one in options:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **one)
        yield buffer.getvalue()


def artifact() -> Iterator[bytes]:
    props = read_parts(_COLOURS).props
    known = ArtifactMetadata.from_props(props, path="colours")
    golden = tuple(structs.replace(one, image_base64="eA==", vector_base64=None) for one in known.golden[:1])
    known = structs.replace(known, golden=golden, parity=None)
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 2, 2, 3])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 8])
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0])
    branch = helper.make_graph([helper.make_node("Constant", [], ["c"], value=weight)], "b", [], [answers])
    nodes = [
        helper.make_node("Softmax", ["images"], ["s"], axis=1),
        helper.make_node("If", ["s"], ["probabilities"], then_branch=branch, else_branch=branch),
        helper.make_node("Loop", ["s"], ["t"], body=branch),
        helper.make_node("Foreign", ["s"], ["u"], domain="mine"),
    ]
    for count in (1, 2, 3, 4):
        graph = helper.make_graph(nodes[:count], "g", [images], [answers], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        yield model.SerializeToString()
        yield sealed_artifact(model.SerializeToString(), known)
    external = onnx.TensorProto(name="e", dims=[1 << 40], data_location=TensorProto.EXTERNAL)
    external.external_data.add(key="location", value="../secret")
    graph = helper.make_graph(nodes[:1], "g", [images], [answers], [external])
    yield helper.make_model(graph).SerializeToString()


def tensors() -> Iterator[bytes]:
    one = {"name": "images", "shape": [1, 1, 2, 3], "datatype": "UINT8"}
    flat = one | {"data": [1, 2, 3, 4, 5, 6]}
    nested = one | {"data": [[[[1, 2, 3], [4, 5, 6]]]]}
    encoded = {"name": "encoded_images", "shape": [2], "datatype": "BYTES", "data": ["AAAA", ""]}
    outputs = [{"name": "probabilities", "parameters": {"classification": 2, "binary_data": True}}]
    for tensor in (flat, nested, encoded, one | {"data": None}):
        yield b"\n" + json.dumps({"inputs": [tensor], "id": "x", "outputs": outputs}).encode()
    for tensor, binary in (
        (one | {"parameters": {"binary_data_size": 6}}, bytes(6)),
        (
            {"name": "encoded_images", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 11}},
            struct.pack("<I", 3) + b"abc" + struct.pack("<I", 0),
        ),
    ):
        text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        yield b"%d\n" % len(text) + text + binary


def body() -> Iterator[bytes]:
    form = b"multipart/form-data; boundary=b\n"
    disposition = b'Content-Disposition: form-data; name="file"; filename="a.jpg"'
    part = b"--b\r\n" + disposition + b"\r\nContent-Type: image/jpeg\r\n\r\nabc\r\n"
    yield form + part + b"--b--\r\n"
    yield form + part * 3 + b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n--b--'
    yield form + part
    yield b'multipart/form-data; boundary="b c"; charset=utf-8\n' + part.replace(b"--b", b"--b c") + b"--b c--"
    yield b"multipart/form-data; boundary*=utf-8''b\n" + part
    yield form + part.replace(b"filename=", b"filename*=utf-8''")
    yield form + part.replace(b"Content-Type: image/jpeg", b"Content-Transfer-Encoding: base64")
    yield form + part.replace(b"form-data; ", b'form-data; name="\xff\\"') + b"--b--"
    for document in ({"image_base64": "AAAA"}, {"images": [{"image_base64": "AAAA"}, {"image_url": "http://a"}]}, {}):
        yield b"application/json\n" + json.dumps(document).encode()
    yield b"application/json; charset=x\n" + b"[" * 300
    yield b"image/jpeg\n\xff\xd8"


def checkpoint() -> Iterator[bytes]:
    state = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    documents: list[Any] = [
        state,
        {"model": state, "epoch": 3, "args": [1.5, "x", None, True, (1, 2)]},
        {f"module.{name}": value for name, value in state.items()},
        {name: value.half() for name, value in state.items()},
        {"weight": torch.ones(2, 3).T, "bias": torch.zeros(6)[::2]},
        {"weight": torch.nn.Parameter(state["weight"]), "bias": state["bias"].to(torch.complex64)},
    ]
    for document in documents:
        for is_new in (True, False):
            buffer = io.BytesIO()
            torch.save(document, buffer, _use_new_zipfile_serialization=is_new)
            yield b"Z" + buffer.getvalue()
            if is_new:
                with zipfile.ZipFile(buffer) as archive:
                    yield b"P" + archive.read("archive/data.pkl")
    yield b"S" + save(state)
    yield b"J" + json.dumps({"weight_map": {"weight": "a.safetensors", "bias": "../b"}}).encode()


SEEDS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    make.__name__: make for make in (image, artifact, tensors, body, checkpoint)
}
