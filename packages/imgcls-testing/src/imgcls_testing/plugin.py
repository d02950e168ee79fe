"""The fixtures. What they need is imported when a test asks for it, so that a member's tests load only their own."""

from __future__ import annotations

import atexit
import gc
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from imgcls_testing.made_once import MadeOnce
    from imgcls_testing.service import RunningService, StartService


@pytest.fixture(scope="session")
def repository(pytestconfig: pytest.Config) -> Path:
    """The root of the checkout."""
    return next(folder for folder in (pytestconfig.rootpath, *pytestconfig.rootpath.parents) if _is_root(folder))


def _is_root(folder: Path) -> bool:
    return (folder / "uv.lock").is_file()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real photos, datasets and trained networks, where there is one."""
    folder = os.environ.get("IMGCLS_TEST_DATA")
    if not folder:
        pytest.skip("IMGCLS_TEST_DATA names no folder with real photos and networks")
    return Path(folder)


@pytest.fixture(scope="session")
def colours_path(repository: Path) -> Path:
    """The committed artifact of tests/data/colours.py: eight colours, 32 × 32 px, squash."""
    return repository / "tests/data/colours.onnx"


@pytest.fixture(scope="session")
def colours_with_reference_path(repository: Path) -> Path:
    """The same network; its reference distribution is that of tests/data/colours_with_reference.py."""
    return repository / "tests/data/colours_with_reference.onnx"


@pytest.fixture(scope="session")
def start_service(colours_path: Path) -> StartService:
    """Starts a service with settings given by name; on the colours, unless another model is named."""
    from imgcls_testing.service import run_service

    def start(*, wait_ready: bool = True, **settings: object) -> AbstractContextManager[RunningService]:
        model = {} if "models_dir" in settings else {"model": colours_path}
        return run_service({**model, "port": 0, **settings}, wait_ready=wait_ready)

    return start


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Gives a folder of this run by its name, which the first process that asks for it fills; not to be changed."""
    from imgcls_testing.made_once import filled_folder

    root = tmp_path_factory.getbasetemp()
    of_the_run = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    return partial(filled_folder, of_the_run / "made-once")


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """PIL image (or pixels) → encoded bytes."""
    from imgcls_testing.images import encode_image

    return encode_image


def pytest_load_initial_conftests() -> None:
    """Gives each of several processes one thread for PyTorch, before anything imports it."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Says that a run of single files or tests is done sooner by one process than several can start.

    Several are one more than there are processors: tests wait for servers and commands a quarter of their time.
    """
    if not all(Path(argument).is_dir() for argument in config.args):
        return 0
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Lets the collector of garbage pass over all that was imported, which takes it half a second each time."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """Keeps the verdict the last line, where libraries would complain of what is left; lets tests press Ctrl-C."""
    atexit.register(_be_quiet)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell ignores Ctrl-C for what it runs in the background, and every process that is started inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _be_quiet() -> None:
    # Among the first to be registered, so among the last to be called: what Python has to say has been said.
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), 2)
