"""Puts a checked artifact into a model store, unless it is worse than the one it would replace."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from imgcls_cli.progress import Progress
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError

from imgcls_train.errors import OtherClassesError, RunError, WorseModelError
from imgcls_train.evaluation.document import Evaluation
from imgcls_train.store.comparison import TOLERANCE_PCT, Comparison, class_change, compare
from imgcls_train.store.documents import (
    PREFIX,
    Pointer,
    StoredEvaluation,
    StoredFile,
    Version,
    checked_name,
    is_file_name,
    short,
)
from imgcls_train.store.model_store import ModelStore


@dataclass(frozen=True)
class PublishRequest:
    """One publication.

    Args:
        artifact: the .onnx file.
        name: of the model in the store; None takes the artifact's own.
        reports: further files to keep with it.
        allow_worse: replace the present version whatever the comparison says.
        tolerance_pct: see `model_comparison.compare`.
        new_classes: replace a version that tells other classes apart.
    """

    artifact: Path
    name: str | None = None
    reports: Sequence[Path] = ()
    allow_worse: bool = False
    tolerance_pct: float = TOLERANCE_PCT
    new_classes: bool = False


@dataclass(frozen=True)
class Published:
    """What was done: `changed` is False when the store was so already; `comparison` in one line, where there is one."""

    version: Version
    changed: bool
    replaced: str | None
    comparison: str | None


# Evaluates the artifact, knowing the splits (by hash) that the store has an evaluation of it for; None: there is none.
Evaluate = Callable[[frozenset[str]], Evaluation | None]


def publish(request: PublishRequest, store: ModelStore, progress: Progress, evaluate: Evaluate) -> Published:
    """Publishes an artifact.

    Whatever moment it is stopped at, the store's `latest` is a whole version; doing the same again completes it.

    Raises:
        ArtifactError: the file is not an artifact.
        GoldenMismatchError: it does not reproduce its golden answers here.
        RequestError: its name cannot be a folder's, or a report is not there.
        RunError: the evaluation is of another file.
        WorseModelError: it is worse than the present version, or cannot be compared with it.
        OtherClassesError: it tells other classes apart than the present version.
        StoreError: the store cannot be reached, or gives back something else than was sent.
    """
    name, artifact, labels = _checked(request, progress)
    present = store.version(name, f"{PREFIX}{artifact.sha256}")
    version = present or Version(name, artifact, _now(), labels=labels)
    evaluation = evaluate(frozenset(one.split_sha256 for one in version.evaluations))
    if evaluation is not None and evaluation.model_sha256 != artifact.sha256:
        raise RunError(
            f"The evaluation is of {evaluation.model!r} with SHA-256 {evaluation.model_sha256}, the artifact has "
            f"{artifact.sha256}; evaluate the artifact itself: `imgcls-train evaluate {request.artifact} DATASET "
            "--json`."
        )
    with tempfile.TemporaryDirectory() as scratch:
        sources = {artifact.path: request.artifact}
        version = _with_reports(version, request.reports, sources)
        if evaluation is not None:
            version = _with_evaluation(version, evaluation, store, Path(scratch), sources)
        before = store.pointer(name)
        gate = _Gate(store, version, labels, evaluation, request, progress)
        comparison = gate.pass_or_refuse(before)
        if version == present and before is not None and before.version == version.id:
            return Published(version, changed=False, replaced=None, comparison=None)
        store.files.sweep(f"{name}/{version.id}")
        for file in version.files:
            # A file of an earlier publication is in the store already.
            if file.path in sources:
                store.put(name, version.id, sources[file.path], file)
        if version != present:
            store.complete(version)
    # Somebody else may have published meanwhile: the comparison must be with what is replaced.
    while True:
        if (now := store.pointer(name)) != before:
            before, comparison = now, gate.pass_or_refuse(now)
        if _points(store, before, version):
            return Published(version, changed=True, replaced=before.version if before else None, comparison=comparison)


def _points(store: ModelStore, before: Pointer | None, version: Version) -> bool:
    """Lets the version be the latest, unless somebody else has moved the pointer; whether it is now."""
    if before is not None and before.version == version.id:
        return True
    return store.move(version.name, before, Pointer(version.id, _now(), before.version if before else None))


def _checked(request: PublishRequest, progress: Progress) -> tuple[str, StoredFile, tuple[str, ...]]:
    """Loads the artifact as a service would; gives its name in the store, its file and its labels."""
    progress.step(f"Checking {request.artifact.name}: its golden cases")
    classifier = OnnxClassifier(request.artifact, provider="cpu")
    classifier.check_golden()
    if classifier.metadata.parity is None:
        progress.note("this artifact was converted with `--skip-verify`: nobody knows whether it equals PyTorch")
    name = checked_name(request.name or classifier.metadata.name)
    if missing := [str(path) for path in request.reports if not path.is_file()]:
        raise RequestError(f"There is no report {missing[0]!r}.")
    if odd := [path.name for path in request.reports if not is_file_name(path.name)]:
        raise RequestError(f"The report {odd[0]!r} has a name that a store cannot keep; rename it.")
    file = StoredFile(f"{name}.onnx", f"{name}.onnx", classifier.sha256, request.artifact.stat().st_size)
    return name, file, tuple(one.label for one in classifier.metadata.classes)


def roll_back(store: ModelStore, name: str | None, text: str) -> Published:
    """Lets an earlier (or later) version be the latest.

    Args:
        store: where it is.
        name: of the model; None where the store has only one.
        text: the version, or the beginning of its hash.

    Raises:
        RequestError: there is no such version, or more than one model.
    """
    version = store.find(store.only_name(name), text)
    while not _points(store, before := store.pointer(version.name), version):
        pass
    replaced = before.version if before else None
    return Published(version, replaced != version.id, replaced, None)


class _Gate:
    """Lets a version pass that tells the same classes apart as the one it would replace, no worse."""

    def __init__(
        self,
        store: ModelStore,
        version: Version,
        labels: tuple[str, ...],
        fresh: Evaluation | None,
        request: PublishRequest,
        progress: Progress,
    ) -> None:
        self._store, self._version, self._labels, self._fresh = store, version, labels, fresh
        self._request, self._progress = request, progress

    def pass_or_refuse(self, pointer: Pointer | None) -> str | None:
        """Compares; gives the comparison in one line."""
        if pointer is None or pointer.version == self._version.id:
            return None
        old = self._store.version(self._version.name, pointer.version)
        change = None if old is None else class_change(self._store.labels(old), self._labels)
        if change is not None:
            if not self._request.new_classes:
                raise OtherClassesError(
                    f"{self._request.artifact.name!r} tells other classes apart than {short(pointer.version)}, which "
                    f"it would replace: {change}. Nothing was published; `--new-classes` publishes it, and `--name` "
                    "gives it a place of its own."
                )
            self._progress.note(f"published with `--new-classes`: {change}")
        found = "it is gone from the store" if old is None else self._compare(old)
        if change is not None and isinstance(found, str):
            return None  # no split could be shared
        if isinstance(found, Comparison) and not found.is_worse:
            return found.words()
        words = found.words() if isinstance(found, Comparison) else found
        if self._request.allow_worse:
            self._progress.note(f"published with `--allow-worse`: {words}")
            return words
        if isinstance(found, Comparison):
            raise WorseModelError(
                f"{self._request.artifact.name!r} is worse than {short(pointer.version)}, which it would replace: "
                f"{words}. Nothing was published; `--allow-worse` publishes it all the same."
            )
        raise WorseModelError(
            f"{self._request.artifact.name!r} cannot be compared with {short(pointer.version)}, which it would "
            f"replace: {words}. Evaluate both on the same split (publish each with `--dataset ROOT --split NAME`), "
            "or say `--allow-worse`."
        )

    def _compare(self, old: Version) -> Comparison | str:
        """Compares on the largest split that both were evaluated on; else says why not."""
        olds = {one.split_sha256: one for one in old.evaluations}
        both = [one for one in self._version.evaluations if one.split_sha256 in olds]
        if not both:
            return f"{_splits(self._version)} the new one, {_splits(old)} the present one"
        shared = max(both, key=lambda one: one.images)
        fresh = self._fresh
        if fresh is None or fresh.split_sha256 != shared.split_sha256:
            fresh = self._store.evaluation(self._version, shared)
        before = self._store.evaluation(old, olds[shared.split_sha256])
        return compare(fresh, before, tolerance_pct=self._request.tolerance_pct)


def _splits(version: Version) -> str:
    found = ", ".join(f"{one.split} ({one.split_sha256[:8]})" for one in version.evaluations)
    return f"on {found} was evaluated" if found else "on no split was evaluated"


def _with_reports(version: Version, reports: Sequence[Path], sources: dict[str, Path]) -> Version:
    files = {file.path: file for file in version.reports}
    for path in reports:
        file = _stored(path.name, path.read_bytes())
        files[file.path], sources[file.path] = file, path
    return msgspec.structs.replace(version, reports=tuple(files.values()))


def _with_evaluation(
    version: Version, evaluation: Evaluation, store: ModelStore, scratch: Path, sources: dict[str, Path]
) -> Version:
    kept = [one for one in version.evaluations if one.split_sha256 != evaluation.split_sha256]
    for one in version.evaluations:
        if one not in kept and _timeless(store.evaluation(version, one)) == _timeless(evaluation):
            return version
    content = evaluation.to_json()
    file = _stored("evaluation.json", content)
    path = scratch / "evaluation.json"
    path.write_bytes(content)
    sources[file.path] = path
    stored = StoredEvaluation(
        evaluation.split,
        evaluation.split_sha256,
        evaluation.images,
        round(evaluation.top1.pct, 3),
        round(evaluation.top5.pct, 3),
        file,
    )
    return msgspec.structs.replace(version, evaluations=(*kept, stored))


def _timeless(evaluation: Evaluation) -> Evaluation:
    return msgspec.structs.replace(evaluation, created="")


def _stored(name: str, content: bytes) -> StoredFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return StoredFile(name, f"files/{sha256[:16]}/{name}", sha256, len(content))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
