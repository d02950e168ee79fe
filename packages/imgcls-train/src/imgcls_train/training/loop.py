"""The training itself: steps over batches, from wherever the last checkpoint was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcls_train.data.pixels import Pixels
from imgcls_train.training.augment import Augmenter
from imgcls_train.training.checkpoint import load_checkpoint, save_checkpoint
from imgcls_train.training.compute import Compute
from imgcls_train.training.initial_network import InitialNetwork, parameter_groups
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.schedule import image_order, learning_rate
from imgcls_train.training.validation import Validation
from imgcls_train.training.weight_average import WeightAverage

# A loss that is not a number for so many steps in a row does not come back.
_MAX_BROKEN_STEPS: Final = 20


@dataclass(frozen=True)
class EpochFigures:
    """What an epoch came to; `seconds` and `images_per_s` are this machine's, all else is repeatable."""

    epoch: int
    step: int
    learning_rate: float
    train_size: int
    train_loss: float
    val_loss: float
    val_top1_pct: float
    val_top5_pct: float
    seconds: float
    images_per_s: float


@dataclass
class StepFigures:
    """How far a training is; told to whoever watches after every step."""

    epoch: int
    step: int
    total_steps: int
    loss: float


@dataclass
class _State:
    step: int = 0
    loss_sum: float = 0.0
    history: list[EpochFigures] = field(default_factory=list[EpochFigures])


class DivergedError(Exception):
    """The loss is not a number any more."""


class Training:
    """A training that can be stopped at any point and goes on from its last checkpoint with the same result.

    Everything random depends on the recipe's seed and the number of the step, so a checkpoint needs no generators.

    Args:
        recipe: what is done.
        start: the network to begin with.
        train: the training images.
        validation: measures the average of the weights after every epoch.
        folder: the run's folder.
        checkpoint_every_s: the most work that a kill may cost, in seconds.
    """

    def __init__(
        self,
        recipe: Recipe,
        start: InitialNetwork,
        train: Pixels,
        validation: Validation,
        folder: Path,
        *,
        compute: Compute,
        checkpoint_every_s: float,
    ) -> None:
        self._recipe, self._train, self._validation, self._folder = recipe, train, validation, folder
        self._compute, self._checkpoint_every_s = compute, checkpoint_every_s
        self._network = start.network.to(compute.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        groups = parameter_groups(recipe, start)
        self._optimizer = _optimizer(recipe, groups)
        self._head = start.head
        self._average = WeightAverage(self._network, recipe.ema_decay)
        self._augment = Augmenter(recipe)
        self._state = _State()
        self._broken_steps = 0
        self._saved_at_s = time.monotonic()
        self._steps_per_epoch = len(train) // min(recipe.batch_size, len(train))
        if saved := load_checkpoint(folder):
            self._restore(saved)

    @property
    def network(self) -> nn.Module:
        """The average of the weights, in evaluation mode: the result."""
        return self._average.network

    @property
    def history(self) -> list[EpochFigures]:
        """Figures of the epochs so far."""
        return self._state.history

    @property
    def step(self) -> int:
        """Steps done."""
        return self._state.step

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self._steps_per_epoch * self._recipe.epochs

    def run(self, on_step: Callable[[StepFigures], None], on_epoch: Callable[[EpochFigures], None]) -> None:
        """Trains to the end.

        Raises:
            DivergedError: the loss is not a number any more.
        """
        while self._state.step < self.total_steps:
            self._epoch(self._state.step // self._steps_per_epoch, on_step, on_epoch)

    def _epoch(
        self, epoch: int, on_step: Callable[[StepFigures], None], on_epoch: Callable[[EpochFigures], None]
    ) -> None:
        recipe, state = self._recipe, self._state
        batch = min(recipe.batch_size, len(self._train))
        order = image_order(recipe, epoch, len(self._train))
        size = recipe.train_size(epoch)
        self._thaw(epoch)
        begun_at_s, first = time.monotonic(), state.step
        while state.step < (epoch + 1) * self._steps_per_epoch:
            position = state.step % self._steps_per_epoch
            chosen = order[position * batch : (position + 1) * batch]
            loss = self._one_step(chosen, size)
            self._broken_steps = 0 if math.isfinite(loss) else self._broken_steps + 1
            if self._broken_steps >= _MAX_BROKEN_STEPS:
                raise DivergedError
            state.loss_sum += loss if math.isfinite(loss) else 0.0
            state.step += 1
            on_step(StepFigures(epoch, state.step, self.total_steps, loss))
            # The end of an epoch has its own checkpoint, after the figures.
            is_due = time.monotonic() - self._saved_at_s >= self._checkpoint_every_s
            if is_due and state.step % self._steps_per_epoch:
                self._save()
        seconds = time.monotonic() - begun_at_s
        measured = self._validation.measure(self._average.network)
        figures = EpochFigures(
            epoch=epoch + 1,
            step=state.step,
            learning_rate=learning_rate(recipe, state.step - 1, self._steps_per_epoch),
            train_size=size,
            train_loss=state.loss_sum / self._steps_per_epoch,
            val_loss=measured.loss,
            val_top1_pct=measured.top1_pct,
            val_top5_pct=measured.top5_pct,
            seconds=seconds,
            images_per_s=(state.step - first) * batch / seconds,
        )
        state.loss_sum = 0.0
        state.history.append(figures)
        self._save()
        on_epoch(figures)

    def _one_step(self, chosen: Tensor, size: int) -> float:
        recipe, step = self._recipe, self._state.step
        rate = learning_rate(recipe, step, self._steps_per_epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        # Dropout and stochastic depth draw from the global generator.
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        device = self._compute.device
        images = self._augment(self._train.read(chosen).to(device), size, step)
        images, other, share = self._augment.mix(images, step)
        targets = self._train.targets[chosen].to(device)
        with self._compute.autocast():
            logits = self._network(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        if other is not None:
            second = F.cross_entropy(logits, targets[other], label_smoothing=recipe.label_smoothing)
            loss = share * loss + (1 - share) * second
        self._optimizer.zero_grad()
        loss.backward()
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(self._network.parameters(), recipe.clip_norm)
        self._optimizer.step()
        self._average.follow(self._network, step)
        return float(loss.detach())

    def _thaw(self, epoch: int) -> None:
        """While the body is frozen only the head learns, and norms keep the statistics that they came with."""
        is_frozen = epoch < self._recipe.freeze_epochs
        self._network.train(not is_frozen)
        for name, parameter in self._network.named_parameters():
            parameter.requires_grad_(not is_frozen or name.startswith(f"{self._head}."))

    def _save(self) -> None:
        save_checkpoint(
            self._folder,
            {
                "step": self._state.step,
                "loss_sum": self._state.loss_sum,
                "history": [vars(figures) for figures in self._state.history],
                "network": self._network.state_dict(),
                "average": self._average.network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
            },
        )
        self._saved_at_s = time.monotonic()

    def _restore(self, saved: dict[str, Any]) -> None:
        self._network.load_state_dict(saved["network"])
        self._average.network.load_state_dict(saved["average"])
        self._optimizer.load_state_dict(saved["optimizer"])
        history = [EpochFigures(**row) for row in saved["history"]]
        self._state = _State(saved["step"], saved["loss_sum"], history)


def _optimizer(recipe: Recipe, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)  # pyright: ignore[reportArgumentType]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)  # pyright: ignore[reportArgumentType]
