"""Whether the golden images could tell a right artifact from a wrong one."""

from __future__ import annotations

import numpy as np
from imgcls_core.artifact import GOLDEN_TOLERANCE

from imgcls_convert.errors import WeakProofError
from imgcls_convert.parity.gate import Evidence


def check_proves(evidence: Evidence) -> None:
    """Raises if the golden images could not tell a right artifact from a wrong one.

    Raises:
        WeakProofError: PyTorch answers all of them alike, or with the same class.
    """
    answers = np.array(evidence.answers[: len(evidence.images.golden)])
    if len(answers) < 2:
        return
    spread = float(np.abs(answers - answers[0]).max())
    if spread <= GOLDEN_TOLERANCE["fp32"]:
        raise WeakProofError(
            f"PyTorch answers all {len(answers)} golden images alike (largest |Δp| {spread:.1e}): the network does not "
            "look at them. Are these the weights that were trained, and is the preprocessing theirs?"
        )
    if len(classes := set(answers.argmax(axis=1).tolist())) == 1:
        raise WeakProofError(
            f"All {len(answers)} golden images are of class {classes.pop()} for PyTorch, so that an artifact with "
            "other labels or a constant answer would pass. Give images of several classes with `--golden`."
        )
