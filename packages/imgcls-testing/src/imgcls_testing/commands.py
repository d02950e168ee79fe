"""Commands run in this process, seen as a user sees them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True)
class Outcome:
    """What a user sees of one command."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Gives the last line on stderr: the error, when there was one."""
        return self.err.strip().splitlines()[-1]


RunCli = Callable[..., Outcome]


def runner_of(main: Callable[[Sequence[str]], NoReturn]) -> RunCli:
    """Gives a function that runs a command's `main` with its arguments, of any type, in this process."""

    def run(*arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as stop:
                return Outcome(int(stop.code or 0), out.getvalue(), err.getvalue())
        raise AssertionError("the command ended without an exit code")

    return run
