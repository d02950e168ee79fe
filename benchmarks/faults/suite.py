"""The suite, run in this process; what the artifact answers here is computed once for all faults."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

from imgcls_client.cli import main
from imgcls_core.verification import truth
from imgcls_core.verification.truth import ArtifactTruth
from imgcls_testing.commands import runner_of

# What load and hostile bytes do to a service has tests of its own; a fault of answers does not show there.
_LEFT_OUT = ("performance", "robustness", "security", "platform")
# Most of the time goes into large images: they are asked about where nothing else has failed.
_SLOW = ("large", "drawn_images")


class RememberedTruth(ArtifactTruth):
    """The user's artifact; it answers each image once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._vectors: dict[bytes, list[float]] = {}

    def vector(self, encoded: bytes) -> list[float]:
        """Answers an encoded image."""
        if encoded not in self._vectors:
            self._vectors[encoded] = super().vector(encoded)
        return self._vectors[encoded]

    @functools.cache  # noqa: B019 - as many as there are artifacts
    def _large(self) -> list[tuple[str, bytes]]:
        return list(super().large_images())

    @functools.cache  # noqa: B019 - as many as there are seeds
    def _drawn(self, seed: int) -> list[tuple[str, bytes]]:
        return list(super().drawn_images(seed))

    def large_images(self) -> Iterator[tuple[str, bytes]]:
        """Gives the large images."""
        return iter(self._large())

    def drawn_images(self, seed: int) -> Iterator[tuple[str, bytes]]:
        """Gives the images of a seed."""
        return iter(self._drawn(seed))


truth.ArtifactTruth = functools.cache(RememberedTruth)  # pyright: ignore[reportAttributeAccessIssue]
_run = runner_of(main)


def ask_suite(
    url: str, artifact: Path, *, seed: int = 0, everything: bool = False, thorough: bool = False
) -> tuple[list[str], str]:
    """Runs `imgcls-client suite`; gives the names of the failed tests and what they say.

    Args:
        url: of the service, or of the proxy before it.
        artifact: the right one.
        seed: of the drawn images.
        everything: all tests; else only those on answers, and the slow ones only where no other fails.
        thorough: the slow ones in any case.
    """
    if everything:
        return _ask(url, artifact, seed, ("--load-time", "1s"))
    left_out = [part for name in _LEFT_OUT for part in ("--skip", name)]
    if thorough:
        return _ask(url, artifact, seed, left_out)
    found = _ask(url, artifact, seed, (*left_out, *(part for name in _SLOW for part in ("--skip", name))))
    return found if found[0] else _ask(url, artifact, seed, [part for name in _SLOW for part in ("--only", name)])


def _ask(url: str, artifact: Path, seed: int, options: list[str] | tuple[str, ...]) -> tuple[list[str], str]:
    done = _run("suite", "--url", url, "--artifact", artifact, "--seed", seed, "--json", *options)
    if done.code not in {0, 1}:
        return [f"exit code {done.code}"], done.sentence
    failed = [test for test in json.loads(done.out)["tests"] if test["outcome"] == "failed"]
    return [test["name"] for test in failed], " | ".join(test["detail"] for test in failed)
