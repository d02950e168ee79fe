"""Shows on stderr how far a transfer is, with speed and time left; a bar on a terminal, a line elsewhere."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from imgcls_train.store.files import OnBytes

# Below this nobody waits, and a line would only be noise.
_WORTH_A_LINE_BYTES: Final = 1_000_000


@contextmanager
def show_transfer(text: str, size_bytes: int) -> Generator[OnBytes]:
    """Shows one transfer.

    Args:
        text: what is done, such as `Uploading resnet18.onnx`.
        size_bytes: how much there is.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        if size_bytes >= _WORTH_A_LINE_BYTES:
            console.print(f"{text} ({size_bytes / 1e6:.1f} MB) …", markup=False)
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=size_bytes)
        yield lambda count: progress.advance(task, count)
