"""Measures imgcls-serve beside other servers of the same network and photos, in turns, and writes the table.

    python benchmarks/peers/run.py MODEL IMAGES [--reduced INT8_MODEL]

Each server runs in an environment of its own, made here of pinned versions, and answers every photo as the artifact
does before it is measured. A round takes every server once, between two measurements of the limit (decode, shrink,
inference and top-5 in one process, no HTTP), in an order that moves from round to round. With `--reduced` another
artifact of the network is measured with imgcls-serve and with the best of the others. What is measured is written at
once, and taken up again by the same command; `--fresh` begins anew. Needs `uv` and `wrk`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imgcls_report as report
import psutil
from answers import check, truth
from contestants import IMGCLS, PEERS, Contestant
from imgcls_core import OnnxClassifier
from running import LeftOutError, running
from table import CONNECTIONS, QUIET_CPUS, best_peer, other_cpus, page, summary

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "serve"))

from throughput import limit, wrk  # noqa: E402 - of the folder beside

_MOST_IMAGES = 64


class Measurement:
    """Measures contestants on the same photos, and keeps every result at once."""

    def __init__(self, arguments: argparse.Namespace, file: Path) -> None:
        self._folder: Path = arguments.images
        self._seconds: int = arguments.seconds
        self._environments: Path = arguments.environments
        self._file = file
        self.files = _photos(arguments.images.resolve())
        self.images = [path.read_bytes() for path in self.files]
        self.found = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        self._truths: dict[Path, list[list[tuple[int, float]]]] = {}
        self._limits: dict[Path, dict[str, Any]] = {}
        self.left_out: dict[str, str] = {}

    def of(self, phase: str) -> list[dict[str, Any]]:
        """Gives what was measured in a phase."""
        return [one for one in self.found if one["phase"] == phase]

    def rounds(self, phase: str, entries: list[tuple[Contestant, Path, str]], rounds: int) -> None:
        """Measures each of (contestant, artifact, precision) so many times, in turns."""
        for number in range(rounds):
            self._limits.clear()
            turn = number % len(entries)
            for contestant, model, precision in entries[turn:] + entries[:turn]:
                key = {"phase": phase, "round": number, "name": contestant.name, "precision": precision}
                if contestant.name in self.left_out or any(key.items() <= one.items() for one in self.found):
                    continue
                try:
                    self._keep(key | self._one(contestant, model))
                except LeftOutError as error:  # the same command tries it again
                    self.left_out[contestant.name] = str(error)
                    sys.stderr.write(f"{contestant.name} is left out: {error}\n")

    def _one(self, contestant: Contestant, model: Path) -> dict[str, Any]:
        python = contestant.python(self._environments)
        if model not in self._truths:
            self._truths[model] = truth(model, self.images)
        found: dict[str, Any] = {"version": contestant.version(python)}
        found["limit_before"] = self._limits.get(model) or limit(model, self._folder, self._seconds)
        self._limits.clear()  # the last one stands for the minutes beside the next contestant alone
        with tempfile.TemporaryDirectory() as folder, running(contestant, python, model, self.images[0]) as server:
            found["worst_difference"] = check(server, self.images, self._truths[model])
            found["started_s"] = server.started_s
            listing = Path(folder) / "images.txt"
            listing.write_text("".join(f"{path}\n" for path in self.files), encoding="utf-8")
            url = f"http://127.0.0.1:{server.port}"
            wrk(url, CONNECTIONS[-1], 2, str(listing), form=contestant.form)  # every worker is warm before any counts
            for callers in CONNECTIONS:
                before_s, before_all_s, began_s = server.cpu_s(), _all_cpu_s(), time.perf_counter()
                one = wrk(url, callers, self._seconds, str(listing), form=contestant.form)
                used_s, taken_s = server.cpu_s() - before_s, time.perf_counter() - began_s
                one["cpu_ms_per_image"] = round(used_s / max(1, one["requests"]) * 1000, 3)
                one["other_cpus"] = round((_all_cpu_s() - before_all_s - used_s) / taken_s, 2)
                found[f"c{callers}"] = one
            found["memory_mb"], found["processes"] = server.memory_mb(), server.processes()
        found["exit_code"], found["left_behind"] = server.exit_code, server.left_behind
        found["limit_after"] = self._limits[model] = limit(model, self._folder, self._seconds)
        return found

    def _keep(self, one: dict[str, Any]) -> None:
        self.found.append(one)
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(one) + "\n")
        sys.stderr.write(f"{json.dumps({k: v for k, v in one.items() if not isinstance(v, dict)})}\n")


def main() -> None:
    """Measures, and writes `MODEL.json` and `MODEL.md`."""
    arguments = _arguments()
    model: Path = arguments.model.resolve()
    metadata = OnnxClassifier(model, provider="cpu", threads=1).metadata
    whole = metadata.source.precision
    arguments.output.mkdir(parents=True, exist_ok=True)
    raw = arguments.output / f"{model.stem}.rounds.jsonl"
    if arguments.fresh:
        raw.unlink(missing_ok=True)
    measurement = Measurement(arguments, raw)
    peers = [peer for peer in PEERS if not arguments.only or peer.name in arguments.only]
    measurement.rounds("same", [(one, model, whole) for one in (IMGCLS, *peers)], arguments.rounds)
    if arguments.reduced and len({one["name"] for one in measurement.of("same")}) > 1:
        reduced: Path = arguments.reduced.resolve()
        precision = OnnxClassifier(reduced, provider="cpu", threads=1).metadata.source.precision
        best = next(peer for peer in peers if peer.name == best_peer(measurement.of("same"), IMGCLS.name))
        pairs = [(one, file, name) for file, name in ((model, whole), (reduced, precision)) for one in (IMGCLS, best)]
        measurement.rounds("reduced", pairs, arguments.rounds)
    same, other = measurement.of("same"), measurement.of("reduced")
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": report.machine_words(),
        "versions": report.version_words(),
        "load_average_at_the_end": [round(one, 1) for one in os.getloadavg()],
        "command": arguments.command_told,
        "model": metadata.name,
        "precision": whole,
        "images": len(measurement.images),
        "image_kb": round(sum(map(len, measurement.images)) / len(measurement.images) / 1000),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "left_out": measurement.left_out,
        "table": summary(same),
        "reduced": summary(other),
    }
    (arguments.output / f"{model.stem}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = page(document, IMGCLS.name)
    (arguments.output / f"{model.stem}.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    if arguments.page and other_cpus(document["table"]) <= QUIET_CPUS:
        before, mark, rest = arguments.page.read_text(encoding="utf-8").partition("<!-- measured -->\n")
        _, end, after = rest.partition("<!-- until here -->\n")
        if not (mark and end):
            raise SystemExit(f"{arguments.page} has no <!-- measured --> and <!-- until here --> to write between.")
        arguments.page.write_text(f"{before}{mark}\n{text}\n{end}{after}", encoding="utf-8")
    raise SystemExit(1 if measurement.left_out else 0)


def _all_cpu_s() -> float:
    """Gives the processor time of everything on this machine but the load generator, in seconds."""
    times = psutil.cpu_times()
    generator = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        sum(times)
        - times.idle
        - times.iowait
        - times.guest
        - times.guest_nice
        - generator.ru_utime
        - generator.ru_stime
    )


def _photos(folder: Path) -> list[Path]:
    return sorted(path for kind in ("*.JPEG", "*.jpg") for path in folder.glob(kind))[:_MOST_IMAGES]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an artifact in fp32")
    parser.add_argument("images", type=Path, help=f"folder of JPEGs; the first {_MOST_IMAGES} are used")
    parser.add_argument("--reduced", type=Path, metavar="MODEL", help="the same network as int8 or fp16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="for each measurement")
    parser.add_argument("--only", action="append", default=[], choices=[one.name for one in PEERS], help="these peers")
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache/imgcls-peers")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, help="Markdown whose marked place gets the tables of a quiet machine")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    arguments = parser.parse_args()
    told = [f"{path.name}" for path in (arguments.model, arguments.images)]
    told += ["--reduced", arguments.reduced.name] if arguments.reduced else []
    arguments.command_told = " ".join(["python benchmarks/peers/run.py", *told])
    return arguments


if __name__ == "__main__":
    main()
