"""`python -m imgcls_serve`, and what `imgcls-serve` starts."""

from __future__ import annotations

import signal


def main() -> None:
    """Runs the command; until the server watches for it, Ctrl-C ends the process without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from imgcls_serve.cli import main as serve  # noqa: PLC0415 - takes its time

    serve()


if __name__ == "__main__":
    main()
