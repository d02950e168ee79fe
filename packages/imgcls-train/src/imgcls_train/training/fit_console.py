"""Shows a fit to a user: a bar with the time left on a terminal, and a line an epoch; all on stderr."""

from __future__ import annotations

from types import TracebackType

from imgcls_cli.terminal import TerminalProgress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from imgcls_train.training.loop import StepFigures
from imgcls_train.training.run_folder import EpochFigures

_HEADER = f"{'epoch':>6}{'size':>6}{'train loss':>12}{'val loss':>10}{'top-1':>9}{'top-5':>9}{'images/s':>10}"


class FitConsole(TerminalProgress):
    """A progress that also follows the steps of a training."""

    def __init__(self) -> None:
        super().__init__()
        self._stderr = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            # Over a whole minute: epochs of larger images are slower, and a busy moment should not swing it.
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._stderr,
            transient=True,
            disable=not self._stderr.is_terminal,
            speed_estimate_period=120,
        )
        self._task = None
        self._has_header = False

    def __enter__(self) -> FitConsole:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_step(self, figures: StepFigures) -> None:
        """Moves the bar."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(
                "train", total=figures.total_steps, completed=figures.step, loss=figures.loss
            )
        self._bar.update(
            self._task,
            completed=figures.step,
            loss=figures.loss,
            description=f"epoch {figures.epoch + 1}",
        )

    def on_epoch(self, figures: EpochFigures) -> None:
        """Writes the epoch's line."""
        if not self._has_header:
            self._stderr.print(_HEADER)
            self._has_header = True
        self._stderr.print(
            f"{figures.epoch:>6}{figures.train_size:>6}{figures.train_loss:>12.4f}{figures.val_loss:>10.4f}"
            f"{figures.val_top1_pct:>8.2f}%{figures.val_top5_pct:>8.2f}%{figures.images_per_s:>10.0f}"
        )
