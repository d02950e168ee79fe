"""PyTorch's exporter in a process that converts a hundred networks."""

from __future__ import annotations

import functools
import importlib

# What reads the same operators anew for each export, half of a small conversion's time: module, owner, function.
_READERS = (
    ("torch.onnx._internal.exporter._registration", "ONNXRegistry", "from_torchlib"),
    ("torch._export.utils", None, "_collect_all_valid_cia_ops_for_namespace"),
)


@functools.cache
def read_operators_once() -> None:
    """Keeps what the exporter reads of its operators; where a release keeps them elsewhere, nothing is gained."""
    for place, owner, name in _READERS:
        try:
            module = importlib.import_module(place)
            holder = getattr(module, owner) if owner else module
            kept = functools.cache(getattr(holder, name))
        except (ImportError, AttributeError):
            continue
        setattr(holder, name, staticmethod(kept) if owner else kept)
