"""How good an artifact is that is about to be published."""

from __future__ import annotations

from pathlib import Path

from imgcls_cli.progress import Progress

from imgcls_train.data.dataset import open_split
from imgcls_train.data.split import split_sha256
from imgcls_train.evaluation.document import Evaluation
from imgcls_train.evaluation.evaluated_model import Artifact
from imgcls_train.evaluation.measurement import evaluate
from imgcls_train.store.publication import Evaluate


def evaluate_artifact(artifact: Path, root: Path, split_name: str, progress: Progress) -> Evaluate:
    """Evaluates an artifact when it is needed: on a split that the store has no evaluation of it for.

    Raises:
        DatasetError: no dataset.
    """
    split = open_split(root, split_name)

    def evaluate_now(known: frozenset[str]) -> Evaluation | None:
        if known and split_sha256(split) in known:
            progress.step("The store has its evaluation on this split")
            return None
        return evaluate(Artifact(artifact), split, root, progress).evaluation

    return evaluate_now
