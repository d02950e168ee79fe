"""The small interface behind which an inference runtime stands."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """Runs one loaded artifact. Thread-safe: `run` may be called from several threads at once."""

    @property
    def provider(self) -> str:
        """What really runs the graph: "cuda" or "cpu" (ONNX Runtime), or "openvino-" and its precision."""
        ...

    @property
    def provider_reason(self) -> str:
        """One clause that says why this provider was taken."""
        ...

    @property
    def classes(self) -> int:
        """Length of the output vector."""
        ...

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answers a batch: RGB uint8 [N, H, W, 3] → probabilities float32 [N, classes]."""
        ...
