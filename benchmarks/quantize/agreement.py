"""int8 beside float32: agreement, |Δp|, share of second looks and speed, on images that did not calibrate.

    uv run python benchmarks/quantize/agreement.py MODEL CALIBRATE JUDGE… [--weights FILE] > RESULTS.json

CALIBRATE and JUDGE are folders of images or tar files of them; 100 calibrate, `--most` judge of each JUDGE. Times are
those of one core, in turns, network alone; speed is the ratio of their means over all images.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from imgcls_cli.progress import SilentProgress
from imgcls_convert.graph.export import export_network
from imgcls_convert.graph.preprocess import NETWORK_INPUT
from imgcls_convert.preprocessing import choose_preprocessing
from imgcls_convert.quantize.reduction import reduce
from imgcls_convert.request import ConvertRequest
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.loading import load_classifier
from imgcls_networks.models.reference import parse_model
from imgcls_networks.network import find_network
from imgcls_networks.pytorch_classifier import PyTorchClassifier

HALVES = (0.5, 0.5, 0.5)  # mean and std of a network that publishes none
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def read(source: Path, count: int) -> list[bytes]:
    """Takes images of a folder or tar file, evenly spread."""
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.suffix.lower() in ENDINGS)
        return [files[i].read_bytes() for i in spread(len(files), count)]
    with tarfile.open(source) as archive:
        members = [member for member in archive.getmembers() if member.name.lower().endswith(ENDINGS)]
        return [archive.extractfile(members[i]).read() for i in spread(len(members), count)]


def spread(length: int, count: int) -> list[int]:
    """Gives places in a list."""
    return np.linspace(0, length - 1, min(length, count)).round().astype(int).tolist()


def processor() -> str:
    """Names the processor, as far as int8 is concerned."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in known)}
    flags = sorted(flag for flag in facts["flags"].split() if "vnni" in flag or flag.startswith("amx"))
    return f"{facts['model name']} family {facts['cpu family']} model {facts['model']}, {' '.join(flags)}"


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("calibrate", type=Path)
    parser.add_argument("judge", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--most", type=int, default=2000)
    asked = parser.parse_args()
    found = find_network(parse_model(asked.model), None, own_weights=asked.weights is not None)
    unknown = HALVES if found.preprocessing is None else None
    request = ConvertRequest(asked.model, mean=unknown, std=unknown)
    preprocessing, _ = choose_preprocessing(request, found, SilentProgress())
    classifier, _ = load_classifier(found, asked.weights, preprocessing.size, SilentProgress())
    pytorch = PyTorchClassifier(classifier, preprocessing)
    network = export_network(classifier, preprocessing.size)
    encoded = read(asked.calibrate, 100)
    calibrating = [pytorch.pixels(image).numpy()[None] for image in encoded]
    quantise = partial(reduce, network, "int8", calibrating, SilentProgress())
    choices = {"int8": quantise(), "int8 --second-look 0": quantise(most_second_looks=0.0)}
    models = {"fp32": network} | {way: choice.model for way, choice in choices.items()}
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    start = partial(runtime.InferenceSession, sess_options=options, providers=["CPUExecutionProvider"])
    sessions = {way: start(model.SerializeToString()) for way, model in models.items()}
    rows = []
    for source in asked.judge:
        judging = [image for image in read(source, asked.most) if image not in encoded]
        answers, seconds = {way: [] for way in models}, dict.fromkeys(models, 0.0)
        for image in judging:
            pixels = pytorch.pixels(image).numpy()[None]
            for way, session in sessions.items():
                begun = time.thread_time()
                answers[way].append(session.run(None, {NETWORK_INPUT: pixels})[0][0])
                seconds[way] += time.thread_time() - begun
        expected = np.array(answers["fp32"])
        for way, model in models.items():
            actual, choice = np.array(answers[way]), choices.get(way)
            rows.append({
                "judged by": source.name, "images": len(judging), "way": way,
                "agreement": round(float((actual.argmax(1) == expected.argmax(1)).mean()), 5),
                "mean_abs_diff": round(float(np.abs(actual - expected).max(1).mean()), 5),
                "ms": round(seconds[way] / len(judging) * 1000, 3),
                "speed": round(seconds["fp32"] / seconds[way], 3),
                "MB": round(model.ByteSize() / 1e6, 2),
                "float_layers": list(choice.float_layers) if choice else None,
                "second_look": choice.second_look.text if choice and choice.second_look else None,
            })  # fmt: skip
    json.dump({"model": asked.model, "processor": processor(), "rows": rows}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
