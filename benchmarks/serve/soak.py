"""Runs the service for hours under everything at once, and judges whether memory, descriptors and threads stay flat.

    python benchmarks/serve/soak.py MODEL OTHER IMAGES --minutes 120 --output FOLDER

Good photos, damaged ones, slow senders, callers who leave, half-closed ones, readers who do not read, costly images,
batches; and every half minute a new version or the one before is loaded: MODEL and OTHER take turns as one model.
Writes `soak.json` and the page `soak.html` into FOLDER every few minutes; SIGTERM ends it as its time does.
Exits with 1 when an answer was wrong or lost, or something grew.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from damaged_requests import malformed, mutated
from service_process import ADMIN_TOKEN, Connection, Running, post, service
from soak_report import judged, write

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "hostile"))
from hostile_images import gif_of_many_blocks, png_interlaced, webp_with_transparency

NAME = "soaked"
SAMPLE_S = 5.0
RELOAD_S = 30.0
SAVE_S = 120.0
ASK_HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
ASK_GOLDEN = b"GET /golden HTTP/1.1\r\nHost: x\r\n\r\n"


class Soak:
    """One run: what was sent, what came back, what the process held."""

    def __init__(self, running: Running, folder: Path, versions: list[Path], images: list[bytes], seed: int) -> None:
        self.running, self.folder, self.versions, self.images = running, folder, versions, images
        self.source = random.Random(seed)  # noqa: S311 - the same mixture every time
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.samples: list[dict[str, float]] = []
        self.expected: dict[tuple[str, int], int] = {}
        self.is_over = asyncio.Event()
        self.costly = [webp_with_transparency(), png_interlaced(), gif_of_many_blocks(400_000)]
        self.began_s = time.monotonic()
        self.kinds: list[tuple[float, Callable[[Connection], Awaitable[None]]]] = [
            (60, self.good),
            (12, self.damaged),
            (5, self.slow),
            (6, self.gone),
            (4, self.half_closed),
            (2, self.unread),
            (5, self.batch),
            (1, self.costly_one),
        ]

    async def good(self, connection: Connection) -> None:
        """A photo, whose class must be the one that this version has always given."""
        number = self.source.randrange(len(self.images))
        self.judge(number, *await connection.send(post(self.images[number])))

    def judge(self, number: int, status: int, body: bytes) -> None:
        """Notes the answer to a good photo."""
        self.counts[f"good {status}"] += 1
        if status != 200:
            self.faults.append(f"a good photo got {status}: {body[:200]!r}")
            return
        answer = json.loads(body)
        key = (answer["model"]["sha256"], number)
        if self.expected.setdefault(key, answer["class_id"]) != answer["class_id"]:
            self.faults.append(f"photo {number} got class {answer['class_id']} instead of {self.expected[key]}")

    async def damaged(self, connection: Connection) -> None:
        """A mutated image or a malformed request."""
        image = self.source.choice(self.images)
        request = malformed(self.source, image) if self.source.random() < 0.3 else post(mutated(self.source, image))
        try:
            status, body = await asyncio.wait_for(connection.send(request), 15)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.counts[f"damaged {type(error).__name__}"] += 1
        else:
            self.counts[f"damaged {status}"] += 1
            if status >= 500 and status not in {503, 504}:
                self.faults.append(f"damaged: {status} {body[:200]!r}")
        connection.close()

    async def slow(self, _: Connection) -> None:
        """Sends a photo over a second."""
        number = self.source.randrange(len(self.images))
        request = post(self.images[number], Connection="close")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        for start in range(0, len(request), step := len(request) // 20 + 1):
            writer.write(request[start : start + step])
            await asyncio.sleep(0.05)
        await self.read(reader, writer, number)

    async def half_closed(self, _: Connection) -> None:
        """Says that nothing more comes, and waits for the answer."""
        number = self.source.randrange(len(self.images))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        writer.write(post(self.images[number]))
        writer.write_eof()
        await self.read(reader, writer, number)

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Reads the one answer of a connection."""
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        self.judge(number, int(head[9:12] or b"0"), body)

    async def gone(self, _: Connection) -> None:
        """Hangs up in the middle of its body or right after it."""
        request = post(self.source.choice(self.images))
        _, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        writer.write(request[: self.source.choice([len(request), len(request) // 2, 30])])
        await asyncio.sleep(self.source.choice([0, 0.005]))
        writer.close()
        self.counts["gone"] += 1

    async def unread(self, _: Connection) -> None:
        """Asks for more than it reads."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        writer.write(ASK_GOLDEN * 50)
        await asyncio.sleep(1)
        writer.transport.abort()
        self.counts["unread"] += 1

    async def batch(self, connection: Connection) -> None:
        """Four photos in a form, one of them damaged."""
        images = self.source.sample(self.images, 3)
        parts = [*images, mutated(self.source, images[0])]
        head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
        body = b"".join(head + one + b"\r\n" for one in parts) + b"--b--\r\n"
        request = post(body, path="/predict/batch", media_type="multipart/form-data; boundary=b")
        status, text = await connection.send(request)
        self.counts[f"batch {status}"] += 1
        if status != 200 or sum("class_id" in one for one in json.loads(text)["results"]) < len(images):
            self.faults.append(f"batch: {status} {text[:200]!r}")

    async def costly_one(self, connection: Connection) -> None:
        """A small file of much work."""
        status, body = await connection.send(post(self.source.choice(self.costly)))
        self.counts[f"costly {status}"] += 1
        if status not in {200, 400, 413, 503, 504}:
            self.faults.append(f"costly: {status} {body[:200]!r}")

    async def call(self, per_s: float) -> None:
        """One caller, until the run is over."""
        connection = Connection(self.running.port)
        weights = [weight for weight, _ in self.kinds]
        while not self.is_over.is_set():
            began_s = time.monotonic()
            (_, kind), *_ = self.source.choices(self.kinds, weights)
            try:
                await asyncio.wait_for(kind(connection), 60)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.faults.append(f"{kind.__name__}: {error!r}")
                connection.close()
            await asyncio.sleep(max(0.0, began_s + 1 / per_s - time.monotonic()))
        connection.close()

    async def reload(self) -> None:
        """Loads one version after the other; now and then a file that is none, which must be refused."""
        admin = Connection(self.running.port)
        request = post(b"", path=f"/models/{NAME}/load", X_API_Key=ADMIN_TOKEN)
        turn = 0
        while not await self.over_after(RELOAD_S):
            turn += 1
            is_broken = turn % 5 == 0
            new = self.folder / "new"
            new.write_bytes(b"no artifact" if is_broken else self.versions[turn % len(self.versions)].read_bytes())
            new.replace(self.folder / f"{NAME}.onnx")
            status, body = await admin.send(request)
            self.counts[f"load {'of a broken file ' if is_broken else ''}{status}"] += 1
            if status != (422 if is_broken else 200):
                self.faults.append(f"load: {status} {body[:200]!r}")
        admin.close()

    async def over_after(self, seconds: float) -> bool:
        """Waits so long, or until the run is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.is_over.wait(), seconds)
        return self.is_over.is_set()

    async def watch(self) -> None:
        """Samples the process from outside."""
        connection = Connection(self.running.port)
        place = Path(f"/proc/{self.running.process.pid}")
        while not await self.over_after(SAMPLE_S):
            began_s = time.perf_counter()
            status, _ = await connection.send(ASK_HEALTH)
            health_ms = (time.perf_counter() - began_s) * 1000
            if status != 200:
                self.faults.append(f"/health: {status}")
            children = [int(one) for one in (place / "task" / place.name / "children").read_text().split()]
            for thread in (place / "task").iterdir():
                with contextlib.suppress(OSError):
                    children += [int(one) for one in (thread / "children").read_text().split()]
            self.samples.append(
                {
                    "minute": round((time.monotonic() - self.began_s) / 60, 2),
                    "memory_mb": self.running.rss_mb(),
                    "children_mb": round(sum(_rss_mb(child) for child in set(children)), 1),
                    "descriptors": len(list((place / "fd").iterdir())),
                    "threads": len(list((place / "task").iterdir())),
                    "health_ms": round(health_ms, 1),
                    "requests": sum(self.counts.values()),
                }
            )
        connection.close()


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def run(arguments: argparse.Namespace, images: list[bytes]) -> dict[str, Any]:
    """Runs until the time is over."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(arguments.model, folder / f"{NAME}.onnx")
        async with service(None, models_dir=folder, threads=arguments.threads) as running:
            soak = Soak(running, folder, [arguments.model, arguments.other], images, arguments.seed)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soak.is_over.set)
            tasks = [asyncio.create_task(soak.call(arguments.per_s)) for _ in range(arguments.callers)]
            tasks += [asyncio.create_task(soak.reload()), asyncio.create_task(soak.watch())]
            until_s = time.monotonic() + arguments.minutes * 60
            while time.monotonic() < until_s and not await soak.over_after(min(SAVE_S, until_s - time.monotonic())):
                write(judged(soak.samples, soak.counts, soak.faults, None), arguments.output)
                if any(task.done() for task in tasks):
                    break
            soak.is_over.set()
            await asyncio.gather(*tasks)
        return judged(soak.samples, soak.counts, soak.faults, running.process.returncode)


def main() -> None:
    """Runs and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("other", type=Path, help="the version that takes turns with it; may be the same file")
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--per-s", type=float, default=5, help="requests a second of each caller, at most")
    parser.add_argument("--threads", type=int, default=0, help="processors of the service")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("soak"))
    arguments = parser.parse_args()
    images = [file.read_bytes() for file in sorted(arguments.images.glob("*.JPEG"))[:64]]
    result = asyncio.run(run(arguments, images))
    write(result, arguments.output)
    sys.stdout.write(json.dumps({name: value for name, value in result.items() if name != "samples"}, indent=1) + "\n")
    sys.exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
