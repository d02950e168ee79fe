"""Brings a network and its weights together, wherever they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from imgcls_convert.checkpoint import Checkpoint, load_into, read_checkpoint
from imgcls_convert.download import WeightsSource, fetch
from imgcls_convert.errors import RequestError
from imgcls_convert.model_reference import TimmReference
from imgcls_convert.named_network import NamedNetwork
from imgcls_convert.narrator import Narrator
from imgcls_convert.plan import Plan
from imgcls_convert.trained_model import CARD_NAME


@dataclass(frozen=True)
class WeightsFile:
    """The file that the weights came from."""

    path: Path
    sha256: str


def obtain_network(plan: Plan, named: NamedNetwork, narrator: Narrator) -> tuple[nn.Module, WeightsFile | None]:
    """Builds the network and loads its weights.

    Returns:
        The network, and the file that its weights came from (None: the factory made them).

    Raises:
        RequestError: the factory fails, or nobody publishes weights for what was asked.
        DownloadError: the weights cannot be had.
        CheckpointError: they do not fit, or cannot be loaded safely.
    """
    if named.whole_file:
        with named.whole_file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return named.build(), WeightsFile(named.whole_file, sha256)
    checkpoint = read_checkpoint(named.checkpoint) if named.checkpoint else _checkpoint(plan, named, narrator)
    network = named.build()
    if checkpoint is None:
        return network, None
    if named.trained:
        load_into(network, checkpoint, way_on=f"It is not what {CARD_NAME} beside it describes: copy the folder again.")
    else:
        load_into(network, checkpoint)
    return network, WeightsFile(checkpoint.path, checkpoint.sha256)


def _checkpoint(plan: Plan, named: NamedNetwork, narrator: Narrator) -> Checkpoint | None:
    if isinstance(plan.weights, WeightsSource):
        if plan.weights.sha256 is None:
            narrator.note("the download is not pinned; `--weights URL#sha256=HEX` would check it")
        return read_checkpoint(fetch([plan.weights], what=named.name, narrator=narrator))
    if plan.weights:
        return read_checkpoint(plan.weights)
    if named.sources:
        return read_checkpoint(fetch(named.sources, what=named.name, narrator=narrator))
    if isinstance(plan.model, TimmReference):
        return None
    if plan.request.num_classes is not None and named.preprocessing is not None:
        raise RequestError(
            f"There are no published weights of {named.name} for "
            f"{plan.request.num_classes} classes; give your checkpoint with `--weights FILE`."
        )
    narrator.note(f"no --weights were given: the network is converted as {named.architecture} makes it")
    return None
