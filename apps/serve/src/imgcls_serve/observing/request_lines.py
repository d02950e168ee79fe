"""The line of each request; of refusals, of which there may be thousands a second, some are written and all counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from imgcls_serve.observing.log_lines import write_for_people, write_line

logger = logging.getLogger(__name__)

_REFUSALS_PER_S: Final = 10


class RequestLines:
    """Writes them.

    Args:
        for_people: whether they are short ones.
        clock: gives seconds.
    """

    def __init__(self, *, for_people: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._write = write_for_people if for_people else write_line
        self._second = self._refusals = self._left_out = 0

    def write(self, fields: dict[str, Any]) -> None:
        """Writes one, unless it is of a refusal and this second has had its ten.

        Args:
            fields: of the line, with `code`. `refusals_left_out` says how many were left out before this one.
        """
        if fields["code"] == "queue_full":
            second = int(self._clock())
            if second != self._second:
                self._second, self._refusals = second, 0
            self._refusals += 1
            if self._refusals > _REFUSALS_PER_S:
                self._left_out += 1
                return
            if self._left_out:
                fields["refusals_left_out"], self._left_out = self._left_out, 0
        self._write(logger, "request", fields)
