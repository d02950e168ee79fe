"""Brings a network and its weights together and makes a classifier of it."""

from __future__ import annotations

from pathlib import Path

from imgcls_cli.progress import Progress
from imgcls_core.checksum import file_sha256
from torch import nn

from imgcls_networks.architectures.found import FoundNetwork, WeightsFile
from imgcls_networks.errors import RequestError
from imgcls_networks.models.trained_model import CARD_NAME
from imgcls_networks.probability_network import ProbabilityNetwork, output_note, with_probabilities
from imgcls_networks.weights.checkpoint import load_checkpoint
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import WeightsSource


def load_classifier(
    found: FoundNetwork,
    weights: Path | WeightsSource | None,
    size: tuple[int, int],
    progress: Progress,
    *,
    state_key: str | None = None,
) -> tuple[ProbabilityNetwork, WeightsFile | None]:
    """Loads a network and measures what its output is.

    Args:
        found: from `find_network`.
        weights: a checkpoint of the user's own; None takes the network's own sources.
        size: height and width of its input, in pixels.
        progress: shown the download, told what was done with the file, what is assumed and what the output is.
        state_key: which set of the file's weights is meant, where it has several.

    Returns:
        The network, giving probabilities, and the file that its weights came from (None: the factory made them).

    Raises:
        RequestError: the factory fails, nobody publishes weights for what was asked, or the network has another
            number of classes than was asked for.
        DownloadError: the weights cannot be had.
        CheckpointError: they do not fit, or cannot be loaded safely.
        NetworkError: the network cannot be used as a classifier.
    """
    network, file = load_network(found, weights, progress, state_key=state_key)
    classifier = with_probabilities(network, size, found.trained.temperature if found.trained else 1.0)
    if note := output_note(classifier, size):
        progress.note(note)
    if found.asked_classes not in {None, classifier.classes}:
        raise RequestError(
            f"`--num-classes {found.asked_classes}` was asked for and the network has {classifier.classes}; where it "
            "comes from a file of yours, say it there or in the factory's arguments: `FILE.py:FACTORY(num_classes=N)`."
        )
    return classifier, file


def load_network(
    found: FoundNetwork, weights: Path | WeightsSource | None, progress: Progress, *, state_key: str | None = None
) -> tuple[nn.Module, WeightsFile | None]:
    """Builds the network and loads its weights; arguments and errors are those of `load_classifier`."""
    if found.load:
        return found.load(progress)
    if found.whole_file:
        return found.build(), WeightsFile(found.whole_file, file_sha256(found.whole_file))
    path = found.checkpoint or (weights if isinstance(weights, Path) else None)
    sources = [weights] if isinstance(weights, WeightsSource) else found.sources
    if isinstance(weights, WeightsSource) and weights.sha256 is None:
        progress.note("the download is not pinned; `--weights URL#sha256=HEX` would check it")
    if path is None and sources:
        path = fetch(sources, what=found.name, progress=progress)
    if path is not None:
        hint = f"It is not what {CARD_NAME} beside it describes: copy the folder again." if found.trained else None
        network, loaded = load_checkpoint(found.build, path, state_key=state_key, hint=hint)
        if loaded.note:
            progress.note(loaded.note)
        return network, WeightsFile(path, loaded.checkpoint.sha256, loaded.key)
    if not found.build_loads:
        if found.asked_classes is not None and found.preprocessing is not None:
            raise RequestError(
                f"There are no published weights of {found.name} for {found.asked_classes} classes; give your "
                "checkpoint with `--weights FILE`."
            )
        progress.note(f"no --weights were given: the network is converted as {found.architecture} makes it")
    return found.build(), None
