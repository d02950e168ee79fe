"""The graph's own resize in ONNX Runtime beside Pillow's: are the pixels equal, and what does it cost a processor.

Prints one JSON document. Equality is asked of photos and of noise, in many sizes, with all filters; time is the least
of some runs on one thread, in turns, of pixels that are decoded already.

    uv run python benchmarks/decode/graph_resize.py FOLDER_OF_PHOTOS
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime
from imgcls_convert.graph.preprocess import NETWORK_INPUT, preprocess_nodes
from imgcls_core import Preprocessing
from imgcls_core.artifact import INPUT_NAME, Interpolation
from numpy.typing import NDArray
from onnx import TensorProto, helper
from photos import processor
from PIL import Image, __version__

_SIDE_PX = 224
_ROUNDS = 9
_TIMED = ((500, 375), (1920, 1080), (4000, 3000), (3000, 4000), (1500, 4000))
# (width, height): enlarged, nearly native, thin, and what cameras make in both directions.
_SIZES = ((90, 100), (225, 223), (40, 3000), (3000, 40), (448, 896), (1600, 1200), (1000, 2500), (4000, 3000))
_Pixels = NDArray[np.uint8]


def _session(filter_: Interpolation) -> onnxruntime.InferenceSession:
    spec = Preprocessing((_SIDE_PX,) * 2, "squash", None, None, filter_, (0.0,) * 3, (1.0,) * 3, __version__, "0..255")
    nodes, constants = preprocess_nodes(spec)
    image = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", "H", "W", 3])
    output = helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "preprocessing", [image], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _ways(filter_: Interpolation) -> tuple[Callable[[_Pixels], _Pixels], Callable[[_Pixels], _Pixels]]:
    """Gives the graph's resize and Pillow's: uint8 [H, W, 3] → [224, 224, 3]."""
    session, kind = _session(filter_), Image.Resampling[filter_.upper()]

    def by_graph(pixels: _Pixels) -> _Pixels:
        return session.run([NETWORK_INPUT], {INPUT_NAME: pixels[np.newaxis]})[0][0].transpose(1, 2, 0).astype(np.uint8)

    return by_graph, lambda pixels: np.asarray(Image.fromarray(pixels).resize((_SIDE_PX,) * 2, kind))


def _least_ms(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            start_s = time.process_time()
            way()
            took[name].append((time.process_time() - start_s) * 1000)
    return {name: round(min(times), 2) for name, times in took.items()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of JPEGs")
    dice = np.random.default_rng(18)
    noise = [dice.integers(0, 256, (height, width, 3), np.uint8) for width, height in _SIZES]
    photos: list[_Pixels] = []
    for place, file in enumerate(sorted(parser.parse_args().photos.glob("*.JPEG"))):
        with Image.open(file) as image:
            rgb = image.convert("RGB")
            # As it is, and enlarged to one of the sizes.
            photos += [np.asarray(rgb), np.asarray(rgb.resize(_SIZES[place % len(_SIZES)]))]
    equal: dict[str, Any] = {}
    for filter_ in get_args(Interpolation):
        by_graph, by_pillow = _ways(filter_)
        differing = sum(not np.array_equal(by_graph(one), by_pillow(one)) for one in (*noise, *photos))
        equal[filter_] = {"images": len(noise) + len(photos), "differing": differing}
    by_graph, by_pillow = _ways("bilinear")
    times: dict[str, Any] = {}
    for width, height in _TIMED:
        pixels = dice.integers(0, 256, (height, width, 3), np.uint8)
        image = Image.fromarray(pixels)
        ms = _least_ms(
            {
                "graph_ms": lambda pixels=pixels: by_graph(pixels),
                "pillow_ms": lambda image=image: image.resize((_SIDE_PX,) * 2, Image.Resampling.BILINEAR),
            }
        )
        times[f"{width}×{height}"] = {**ms, "ratio": round(ms["graph_ms"] / ms["pillow_ms"], 2)}
    result = {"processor": processor(), "onnxruntime": onnxruntime.__version__, "pillow": __version__}
    sys.stdout.write(f"{json.dumps({**result, 'equal': equal, 'one_thread': times}, indent=1)}\n")


if __name__ == "__main__":
    main()
