"""Networks from a file that holds code and weights: TorchScript, or a program of torch.export."""

from __future__ import annotations

import warnings
from pathlib import Path
from zipfile import BadZipFile

import torch
from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import CheckpointError
from imgcls_networks.exception_text import one_line
from imgcls_networks.models.reference import SavedReference


def find_saved(model: SavedReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes the file for network and weights in one; `--weights` has no place beside it."""
    path = model.path
    return FoundNetwork(
        model.name, path.name, build=lambda: load_saved(path), asked_classes=num_classes, whole_file=path
    )


def load_saved(path: Path) -> nn.Module:
    """Loads the network.

    Raises:
        CheckpointError: the file is neither, or is damaged; a state dict gets the command that takes it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; the files are there all the same
            if path.suffix == ".pt2":
                return torch.export.load(path).module()
            return torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError, OSError, KeyError, BadZipFile, AssertionError, EOFError) as error:
        if path.suffix == ".pt2":
            raise CheckpointError(f"{path.name!r} is not a program of torch.export: {one_line(error)}.") from error
        raise CheckpointError(
            f"{path.name!r} is not a TorchScript file. For a state dict name its architecture as well: "
            f"`imgcls-convert MODEL --weights {path.name}`."
        ) from error
