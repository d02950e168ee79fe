"""An evaluation as lines for a user."""

from __future__ import annotations

from typing import Final

from imgcls_train.evaluation.accuracy import ClassAccuracy, Share
from imgcls_train.evaluation.document import SEED, Evaluation

_WORST_CLASSES: Final = 8
_WORST_PAIRS: Final = 10


def share_words(share: Share) -> str:
    """A share with its interval, as `61.2 % (59.8 to 62.5)`."""
    return f"{share.pct:.1f} % ({share.low_pct:.1f} to {share.high_pct:.1f})"


def facts(found: Evaluation) -> dict[str, str]:
    """What there is to say in one line each."""
    classes = f"{found.dataset_classes} classes"
    if found.dataset_classes != found.classes:
        classes += f"; the model answers with {found.classes}"
    rows = {
        "model": f"{found.model} ({found.kind}, sha256 {found.model_sha256[:12]})",
        "split": f"{found.split}: {found.images:,} images of {classes}",
        "top-1": f"{share_words(found.top1)}",
        "top-5": f"{share_words(found.top5)}",
        "log loss": f"{found.calibration.log_loss:.4f} nats",
        "ECE": f"{100 * found.calibration.ece:.2f} % in 15 bins",
    }
    if found.kind != "artifact":
        rows["temperature"] = f"{found.temperature:.4g}"
    rows["fitted T"] = temperature_words(found)
    return rows


def temperature_words(found: Evaluation) -> str:
    """What a temperature would do, in one line."""
    fit = found.fit
    if fit is None:
        return "too few images to fit one"
    if not fit.is_inner:
        return "none fits: the answers are all right or no better than chance"
    return (
        f"{fit.temperature:.4g}: log loss {found.uncalibrated.log_loss:.4f} → {fit.held_out.log_loss:.4f}, "
        f"ECE {100 * found.uncalibrated.ece:.2f} → {100 * fit.held_out.ece:.2f} %"
    )


def held_out_words(found: Evaluation) -> str:
    """How the temperature was judged."""
    if found.fit is None:
        return ""
    one, other = found.fit.halves
    return (
        f"The temperature was judged on images that it was not fitted on: each class's images were halved (seed "
        f"{SEED}), and each half was answered with the temperature fitted on the other ({one:.4g} and {other:.4g})."
    )


def evaluation_text(found: Evaluation) -> str:
    """The whole table."""
    width = max(map(len, facts(found)))
    lines = [f"{key:<{width}}  {value}\n" for key, value in facts(found).items()]
    if words := held_out_words(found):
        lines.append(f"{words}\n")
    lines.append(f"\n{'hardest classes':<34}{'top-1':>8}  {'95 % interval':<16}{'images':>7}\n")
    lines += [_class_line(row) for row in found.by_class[:_WORST_CLASSES]]
    if found.confusions:
        lines.append(f"\n{'taken most often':<34}{'for':<34}{'images':>8}\n")
    lines += [
        f"{_cut(pair.expected):<34}{_cut(pair.predicted):<34}{f'{pair.images} of {pair.of}':>8}\n"
        for pair in found.confusions[:_WORST_PAIRS]
    ]
    return "".join(lines)


def _class_line(row: ClassAccuracy) -> str:
    interval = f"{row.top1.low_pct:.0f} to {row.top1.high_pct:.0f} %"
    return f"{_cut(row.label):<34}{row.top1.pct:>6.1f} %  {interval:<16}{row.images:>7}\n"


def _cut(label: str) -> str:
    return label if len(label) < 33 else f"{label[:31]}…"
