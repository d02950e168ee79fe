"""The colour network with a reference distribution in its metadata, and the traffic that it was measured on.

`tests/data/colours_with_reference.onnx` is made by

    uv run python tests/data/colours_with_reference.py
"""

from pathlib import Path

import numpy as np
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.answer_bins import reference_distribution
from imgcls_core.artifact.seal import sealed_artifact
from msgspec import structs

FOLDER = Path(__file__).parent
IMAGES = 2000
# red, green, blue, yellow, cyan, magenta, black, white
COLOURS = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 0), (1, 1, 1)])
SHARES = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
FAINTEST, STRONGEST = 0.1, 1.0


def traffic(
    count: int, seed: int, *, shares: tuple[float, ...] = SHARES, strongest: float = STRONGEST
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draws colours as callers send them: uint8 [N, 3].

    Args:
        count: N.
        seed: of the dice.
        shares: how often each colour comes.
        strongest: colours lie between grey and themselves, from `FAINTEST` to this; a faint one leaves the network
            unsure.
    """
    dice = np.random.default_rng(seed)
    chosen = COLOURS[dice.choice(len(COLOURS), size=count, p=shares)]
    strength = dice.uniform(FAINTEST, strongest, size=(count, 1))
    return np.rint((0.5 + (chosen - 0.5) * strength) * 255).astype(np.uint8)


def main() -> None:
    """Writes the file; two golden cases are enough for it."""
    classifier = OnnxClassifier(FOLDER / "colours.onnx", provider="cpu", threads=1)
    pixels = np.broadcast_to(traffic(IMAGES, seed=0)[:, None, None, :], (IMAGES, 32, 32, 3))
    reference = reference_distribution(classifier.predict(np.ascontiguousarray(pixels)))
    metadata = classifier.metadata
    parity = structs.replace(metadata.parity, golden_cases=2) if metadata.parity else None
    smaller = structs.replace(metadata, reference=reference, golden=metadata.golden[:2], parity=parity)
    content = sealed_artifact((FOLDER / "colours.onnx").read_bytes(), smaller)
    (FOLDER / "colours_with_reference.onnx").write_bytes(content)


if __name__ == "__main__":
    main()
