"""Weights that no network can take end in one sentence, and never in other weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from imgcls_networks.errors import CheckpointError, RequestError
from imgcls_networks.labels import read_labels
from imgcls_networks.weights.checkpoint import load_checkpoint
from torch import Tensor, nn


def _quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.randn(4, 3), 0.1, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore:.*quantiz")
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: torch.randn(4, 3, dtype=torch.complex64), "is complex"),
        (lambda: torch.empty(4, 3, device="meta"), "has a shape and no values"),
        (_quantised, "is quantised"),
        (lambda: torch.eye(4, 3).to_sparse(), "sparse"),
    ],
    ids=["complex", "meta", "quantised", "sparse"],
)
def test_tensors_of_another_kind_are_refused_by_name(tmp_path: Path, make: Callable[[], Tensor], sentence: str) -> None:
    torch.save({"weight": make(), "bias": torch.zeros(4)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=sentence) as refused:
        load_checkpoint(lambda: nn.Linear(3, 4), tmp_path / "w.pth")
    assert "weight" in str(refused.value)


def test_a_pickle_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    # Written by hand: pickling it would itself recurse.
    content = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(lambda: nn.Linear(3, 4), tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["red\x1b[31m", "a\u202eb", "zero\u200bwidth"])
def test_names_that_could_steer_a_terminal_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(["cat", name]), encoding="utf-8")
    with pytest.raises(RequestError, match=r"control character U\+.* in the name of class 1"):
        read_labels(str(tmp_path / "labels.json"))
