"""Plants faults in front of a healthy service, in artifacts and in the place of the model: what catches each?

    uv run python benchmarks/faults/run.py ARTIFACT [--only TEXT] [--group NAME] [--causes] [--json FILE]
    uv run python benchmarks/faults/run.py ARTIFACT --healthy N [--busy]

A fault counts as caught when the service refuses the artifact at load, or a named test of `imgcls-client suite
--artifact ARTIFACT` fails. Exit code 1 when one is missed, or a healthy run fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

from answer_faults import ANSWER_FAULTS, Change, Truth, pretends
from artifact_faults import Artifact, artifact_faults, older_version
from image_faults import IMAGE_FAULTS, altered
from imgcls_contract import FAULTS
from imgcls_core.artifact.seal import SEAL_KEY, sealed_artifact
from imgcls_core.inference.golden import golden_image
from imgcls_testing.service import run_service
from messages import Alter, Answer, Request
from proxy import run_proxy
from suite import ask_suite

_GROUPS = ("artifact", "identity", "images", "paths", "answers")
_WAYS = (
    *("plain", "vector", "top_k", "multipart", "base64", "data_uri", "batch", "batch_json"),
    *("v2_json_encoded", "v2_binary_encoded", "v2_json_pixels", "v2_binary_pixels"),
)


_NEVER = "it never happened"
Chosen = Callable[..., bool]


@dataclass(frozen=True)
class Row:
    """What became of one fault.

    Args:
        caught_by: the tests that failed, "load" where the service refused the artifact, none where it was missed.
        said: what was told to the user.
        cause: the name of the counterfactual that should be told, "" where there is none.
        cause_told: whether it was.
    """

    group: str
    fault: str
    caught_by: tuple[str, ...]
    said: str
    cause: str
    cause_told: bool


@dataclass
class Planted:
    """A fault between caller and service.

    Args:
        alter: what becomes of images; None leaves them.
        ways: on which ways of asking; empty means all.
        change: what becomes of answers; None leaves them.
        truth: what `change` knows.
        is_bgr: whether pixels of tensors are altered too, by exchanging red and blue.
        happened: how many altered requests and answers were answered with success.
    """

    alter: Alter | None = None
    ways: frozenset[str] = frozenset()
    change: Change | None = None
    truth: Truth = field(default_factory=lambda: Truth([]))
    is_bgr: bool = False
    happened: int = 0
    _altered: set[int] = field(default_factory=set[int])

    def on_request(self, request: Request) -> Request:
        """Alters the images."""
        if self.alter is None or not request.way or (self.ways and request.way not in self.ways):
            return request
        passed = request.with_images(self.alter)
        passed = passed.with_pixels(lambda pixels: pixels[..., ::-1]) if self.is_bgr else passed
        if passed.body != request.body:
            self._altered.add(id(request))
        return passed

    def on_answer(self, sent: Request, answer: Answer) -> Answer:
        """Changes the answer."""
        changed = answer if self.change is None else self.change(self.truth, sent, answer)
        was_altered = id(sent) in self._altered or changed.body != answer.body
        self._altered.discard(id(sent))
        self.happened += was_altered and answer.status == HTTPStatus.OK
        return changed


def row_of(group: str, fault: str, found: tuple[list[str], str], cause: str = "") -> Row:
    """Judges what was found."""
    caught_by, said = found
    return Row(group, fault, tuple(caught_by), said, cause, bool(cause) and FAULTS[cause] in said)


def proxied(port: int, artifact: Artifact, path: Path, is_chosen: Chosen) -> Iterator[Row]:
    """Plants every fault of images and answers before a healthy service."""
    height, width = artifact.metadata.preprocessing.native_size
    planted: list[tuple[str, str, Planted, str]] = []
    for name, (condition, change, cause) in IMAGE_FAULTS.items():

        def alter(image: bytes, condition: object = condition, change: object = change) -> bytes:
            return altered(image, (width, height), condition, change)  # pyright: ignore[reportArgumentType]

        planted.append(("images", name, Planted(alter, is_bgr=name == "bgr"), cause))
        if name == "bgr":
            planted += [("paths", f"bgr on {way}", Planted(alter, frozenset({way}), is_bgr=True), "") for way in _WAYS]
    labels = [entry.label for entry in artifact.metadata.classes]
    known = [golden_image(case) for case in artifact.metadata.golden]
    known += [one.read_bytes() for one in Path(str(files("imgcls_client") / "data/images")).rglob("*") if one.is_file()]
    stored = frozenset(hashlib.sha256(image).hexdigest() for image in known)
    for name, (change, cause) in ANSWER_FAULTS.items():
        planted.append(("answers", name, Planted(change=change, truth=Truth(labels, stored)), cause))
    for group, name, fault, cause in planted:
        if is_chosen(group, name, cause):
            with run_proxy(port, fault) as url:
                row = row_of(group, name, ask_suite(url, path, thorough=name.startswith("cache")), cause)
                # The service refuses what the fault needs, or the suite sends nothing of the kind.
                yield row if fault.happened else replace(row, said=_NEVER)


def edited(artifact: Artifact, path: Path, folder: Path, is_chosen: Chosen) -> Iterator[Row]:
    """Serves every edited artifact."""
    for number, (name, (make, cause)) in enumerate(artifact_faults(artifact).items()):
        if is_chosen("artifact", name, cause):
            target = folder / f"{number}.onnx"
            target.write_bytes(make())
            yield _serve("artifact", name, {"model": target}, path, cause)
            target.unlink()


def impostors(artifact: Artifact, path: Path, folder: Path, is_chosen: Chosen) -> Iterator[Row]:
    """Serves another model in the place of the right one."""
    old, several = folder / "old.onnx", folder / "models"
    old.write_bytes(older_version(artifact, folder))
    several.mkdir()
    (several / "other.onnx").symlink_to(old)
    (several / "right.onnx").symlink_to(path)
    if is_chosen("identity", name := "an older version", ""):
        yield _serve("identity", name, {"model": old}, path)
    if is_chosen("identity", name := "another model made default"):
        yield _serve("identity", name, {"models_dir": several, "default_model": "other"}, path)
    if is_chosen("identity", name := "an older version with the right sha256 and golden cases"):
        with run_service({"port": 0, "model": path}) as right:
            golden = right.client.get("/golden").content
        own, claimed = (hashlib.sha256(one.read_bytes()).hexdigest() for one in (old, path))
        with (
            run_service({"port": 0, "model": old}) as service,
            run_proxy(_port(service.url), Planted(change=pretends(golden, own, claimed))) as url,
        ):
            yield row_of("identity", name, ask_suite(url, path, thorough=True))


def _serve(group: str, name: str, settings: Mapping[str, object], path: Path, cause: str = "") -> Row:
    """Starts a service on an artifact; asks the suite where it is not refused."""
    with run_service({"port": 0, **settings}) as service:
        said = (str(entry["message"]) for entry in service.log)
        if (refusal := next((text for text in said if text.startswith("The model cannot")), None)) is not None:
            return row_of(group, name, (["load"], refusal), cause)
        return row_of(group, name, ask_suite(service.url, path, thorough=True), cause)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def healthy(path: Path, runs: int) -> Iterator[Row]:
    """Runs the whole suite on a healthy service, with other images each time."""
    with run_service({"port": 0, "model": path}) as service:
        for number in range(runs):
            yield row_of("healthy", f"run {number}", ask_suite(service.url, path, seed=number, everything=True))


@contextmanager
def busy(is_busy: bool) -> Generator[None]:
    """Keeps every processor busy while the block lasts."""
    others = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(multiprocessing.cpu_count() * is_busy)]
    for one in others:
        one.start()
    yield
    for one in others:
        one.terminate()


def _burn() -> None:
    while True:
        hashlib.sha256(bytes(1_000_000)).digest()


def tell(row: Row, *, is_healthy: bool) -> bool:
    """Prints a row; gives whether it is as it should be."""
    is_good = bool(row.caught_by) != is_healthy
    what = "ok" if is_good else "FALSE ALARM" if is_healthy else "MISSED"
    if what == "MISSED" and row.said == _NEVER:
        what, is_good = "no case", True
    cause = "" if not row.cause else "cause told" if row.cause_told else f"CAUSE NOT TOLD ({row.cause})"
    caught = ", ".join(row.caught_by[:3]) + (" …" if len(row.caught_by) > 3 else "")
    print(f"{what:<8} {row.group:<9} {row.fault:<52} {caught:<60} {cause}", flush=True)  # noqa: T201
    return is_good


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--group", choices=_GROUPS, action="append", help="faults of this group alone; repeatable")
    parser.add_argument("--causes", action="store_true", help="only faults whose cause should be told")
    parser.add_argument("--healthy", type=int, default=0, help="healthy runs instead of faults")
    parser.add_argument("--busy", action="store_true", help="with all processors busy")
    parser.add_argument("--json", type=Path, help="write all rows here")
    asked = parser.parse_args()
    rows: list[Row] = []
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, busy(asked.busy):
        path = Path(folder) / asked.artifact.name
        artifact = Artifact(asked.artifact)
        # Those of before carry no seal; what is edited shall have had one.
        is_sealed = SEAL_KEY in artifact.props
        path.write_bytes(artifact.content if is_sealed else sealed_artifact(artifact.content, artifact.metadata))
        artifact = Artifact(path)
        for row in _rows(artifact, path, Path(folder), asked):
            rows.append(row)
            wrong += not tell(row, is_healthy=asked.healthy > 0)
    told = sum(row.cause_told for row in rows)
    causes = sum(bool(row.cause) for row in rows)
    print(f"{len(rows)} rows, {wrong} not as they should be; {told} of {causes} causes told")  # noqa: T201
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")
    return 1 if wrong else 0


def _rows(artifact: Artifact, path: Path, folder: Path, asked: argparse.Namespace) -> Iterator[Row]:
    if asked.healthy:
        yield from healthy(path, asked.healthy)
        return

    def is_chosen(group: str, name: str, cause: str = "") -> bool:
        return group in (asked.group or _GROUPS) and asked.only in name and (bool(cause) or not asked.causes)

    if "artifact" in (asked.group or _GROUPS):
        yield from edited(artifact, path, folder, is_chosen)
    if "identity" in (asked.group or _GROUPS) and not asked.causes:
        yield from impostors(artifact, path, folder, is_chosen)
    with run_service({"port": 0, "model": path}) as service:
        yield from proxied(_port(service.url), artifact, path, is_chosen)


if __name__ == "__main__":
    sys.exit(main())
