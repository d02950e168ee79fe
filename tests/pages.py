"""What the pages of the documentation tell a reader to type, and what tests/data/pages.toml says of it."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# mistakes.md has no blocks; a test of its own makes what stands in it.
PAGES: Final = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "apps/*/README.md", "packages/*/README.md", "benchmarks/*/README.md")
    for path in sorted(ROOT.glob(pattern))
]
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHELL: Final = {"sh", "bash", "console"}
# Languages of blocks that nobody types.
_READ: Final = {"text", "json", "yaml", "dockerfile", "mermaid"}
_PROGRAM: Final = re.compile(r"^(\$ |uv run |(imgcls-\w+|curl|npm|npx|go|docker|kubectl|python) )", re.MULTILINE)
_TABLE: Final = tomllib.loads((ROOT / "tests/data/pages.toml").read_text(encoding="utf-8"))
TYPED_ELSEWHERE: Final[dict[str, str]] = _TABLE["typed_elsewhere"]
NOT_TYPED: Final[dict[str, str]] = _TABLE["not_typed"]

_EXIT_CODES: Final[dict[str, int]] = _TABLE["exit_codes"]


@dataclass(frozen=True)
class Step:
    """One command, or one block of Python.

    Args:
        page: where it stands.
        typed: as it stands, with continued lines joined.
        shown: the lines that the page shows below it.
        is_python: whether it is a block of Python.
    """

    page: str
    typed: str
    shown: tuple[str, ...] = ()
    is_python: bool = False

    @property
    def why_not_typed(self) -> str | None:
        """Gives why no test types it; None where one does."""
        if self.is_python:
            return None
        return next((why for part, why in NOT_TYPED.items() if re.search(part, f"{self.page}: {self.typed}")), None)

    @property
    def exit_code(self) -> int:
        """Gives the code with which it ends."""
        return next((code for part, code in _EXIT_CODES.items() if re.search(part, self.typed)), 0)


def steps_of(page: str) -> list[Step]:
    """Gives what a page tells a reader to type, in its order.

    Raises:
        ValueError: a block is in a language of which nobody knows whether it is typed.
    """
    steps: list[Step] = []
    for language, block in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python":
            steps.append(Step(page, block, is_python=True))
        elif language in _SHELL:
            steps += _commands(page, block.replace("\\\n", " "), shows=language == "console")
        elif language not in _READ or _PROGRAM.search(block):
            raise ValueError(f"{page} has a block of {language or 'no language'} that may be typed: {block[:60]!r}")
    return steps


def _commands(page: str, block: str, *, shows: bool) -> list[Step]:
    if not shows:
        return [Step(page, line.strip()) for line in block.splitlines() if line.strip() and not line.startswith("#")]
    if not block.startswith("$ "):
        raise ValueError(f"a console shows what was typed first: {block[:60]!r}")
    whole = [step.splitlines() for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    return [Step(page, command, tuple(line for line in shown if line)) for command, *shown in whole]


def own_commands(typed: str) -> list[list[str]]:
    """Gives the words of each program of imgcls that a command line starts, without what starts the program."""
    lexer = shlex.shlex(typed, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("();<>|&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [found for words in commands if (found := _own_command(words))]


def _own_command(words: list[str]) -> list[str]:
    words = list(itertools.dropwhile(lambda word: "=" in word, words))
    if not words or words[0].partition("-")[0] not in {"uv", "imgcls"}:
        return []
    starts = (at for at, word in enumerate(words) if word.startswith("imgcls-") and words[at - 1] != "--package")
    return words[next(starts, len(words)) :]
