"""Begins: the models load while what speaks HTTP is still being imported."""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.config
import signal
import sys
import warnings
from collections.abc import Awaitable, Callable
from types import FrameType

from imgcls_core.memory import tune_malloc

from imgcls_serve.observing.log_lines import log_config
from imgcls_serve.service import Service
from imgcls_serve.settings import Settings, unknown_variables
from imgcls_serve.workers.seat import Seat

logger = logging.getLogger(__name__)

# Two threads import and load at once: the one that has just come back from native code waits no 5 ms for the other.
_SWITCH_S = 0.000_5

# Imports and requests make few cycles; the default of 700 walks the youngest generation again and again for nothing.
_GC_THRESHOLD = 20_000


def serve(settings: Settings, *, notice: str | None = None, seat: Seat | None = None) -> int:
    """Serves until told to end.

    Args:
        settings: what to serve, and how.
        notice: what somebody should know of the model, as a sentence.
        seat: of a worker, whose supervisor tells what is to be told once.

    Returns:
        The exit code: 0 drained, 2 the artifact cannot be used, 3 the port cannot be listened on.
    """
    gc.set_threshold(_GC_THRESHOLD)
    tune_malloc()
    # Pillow warns of each oddity in a damaged file, and `warnings` remembers each text for good.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.config.dictConfig(log_config(settings.log_level, for_people=settings.logs_for_people))
    for sentence in [*unknown_variables(), *([notice] if notice else [])] if seat is None else []:
        logger.warning("%s", sentence)
    service = Service(settings, seat)

    def drain(_signal: int, _frame: FrameType | None) -> None:
        service.drain()

    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, drain)  # until the server, which sees it, has its own
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(_serve(service))


async def _serve(service: Service) -> int:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    service.start()
    # FastAPI and uvicorn are half of the imports; a network loads meanwhile, mostly without the interpreter.
    speak_http = await asyncio.to_thread(_import_http)
    sys.setswitchinterval(before_s)
    gc.freeze()  # as the service does with what it has loaded: the collector need not walk modules
    return await speak_http(service)


def _import_http() -> Callable[[Service], Awaitable[int]]:
    from imgcls_serve.server import serve as speak_http  # noqa: PLC0415 - what this module is about

    return speak_http


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
