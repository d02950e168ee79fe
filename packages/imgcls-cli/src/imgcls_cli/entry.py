"""What a console script starts: Ctrl-C ends it without a word while it still imports, which no `try` can hold."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib import import_module


def start(place: str) -> None:
    """Imports a program and runs it.

    Args:
        place: its `main`, as `package.module:attribute`.
    """
    is_pythons = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_pythons:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the shell sees 130, as after the sentence of a program
    module, attribute = place.split(":")
    main: Callable[[], object] = getattr(import_module(module), attribute)
    if is_pythons:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
