"""Whether a contestant answers rightly: every photo is compared with the artifact, before any figure of it counts."""

from __future__ import annotations

import json
from pathlib import Path

from imgcls_core import OnnxClassifier
from running import LeftOutError, Running

# One session in another process on the same processor: a sum may be ordered otherwise, nothing more.
TOLERANCE = 1e-4


def truth(model: Path, images: list[bytes]) -> list[list[tuple[int, float]]]:
    """Gives the five most probable classes of each image as (class_id, probability), in this process."""
    classifier = OnnxClassifier(model, provider="cpu", threads=1)
    rows = [classifier.predict(image)[0] for image in images]
    return [[(one.class_id, one.probability) for one in classifier.top_k(row)] for row in rows]


def check(contestant: Running, images: list[bytes], expected: list[list[tuple[int, float]]]) -> float:
    """Asks about every image; gives how far a probability was off at most. Raises `LeftOutError` for a wrong answer."""
    worst = 0.0
    for number, (image, right) in enumerate(zip(images, expected, strict=True)):
        status, body = contestant.ask(image)
        if status != 200:
            raise LeftOutError(f"photo {number}: answered {status}, {body[:300]!r}")
        top = json.loads(body)["top"]
        off = max(abs(one["probability"] - probability) for one, (_, probability) in zip(top, right, strict=True))
        if top[0]["class_id"] != right[0][0] or off > TOLERANCE:
            raise LeftOutError(f"photo {number}: answered {top}, where the artifact answers {right}")
        worst = max(worst, off)
    return worst
