"""`_imgcls/sessions/`: what each command did from start to end. Rows say nothing of time, so that they repeat."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from imgcls_batch.output.objects import OutputObjects

_FOLDER: Final = "_imgcls/sessions"


class SlowImage(Struct, frozen=True):
    """How long an image took: its bytes on the way, and decoding with inference."""

    uri: str
    read_ms: float
    answer_ms: float


class Session(Struct, frozen=True):
    """What one command did.

    Args:
        started: ISO 8601.
        elapsed_s: until it ended, however it ended; one that was killed has no session.
        images: answered in finished shards.
        images_per_s: on the average.
        cpu_s: processor time of the workers in these shards, all threads.
        bad: rows without an answer by code.
        slowest: images, the slowest first.
    """

    started: str
    elapsed_s: float
    images: int
    images_per_s: float
    cpu_s: float
    bad: dict[str, int]
    slowest: tuple[SlowImage, ...]


def write_session(output: OutputObjects, session: Session) -> None:
    """Keeps a session."""
    name = session.started.replace(":", "").replace("+", "Z").replace(".", "-")
    output.create(f"{_FOLDER}/{name}.json", msgspec.json.encode(session))


def read_sessions(output: OutputObjects) -> list[Session]:
    """Gives the sessions of a run, the first first."""
    contents = [output.read(f"{_FOLDER}/{name}") for name in sorted(output.names(_FOLDER))]
    return [msgspec.json.decode(content, type=Session) for content in contents if content is not None]
