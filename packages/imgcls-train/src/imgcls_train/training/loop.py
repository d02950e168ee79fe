"""The training itself: steps over batches, from wherever the last checkpoint was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgcls_train.data.pixels import Pixels
from imgcls_train.errors import RunError
from imgcls_train.training.augment import Augmenter
from imgcls_train.training.compute import Compute
from imgcls_train.training.initial_network import InitialNetwork
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.run_folder import EpochFigures, RunFolder
from imgcls_train.training.validation import Validation

# A loss that is not a number for so many steps in a row does not come back.
_MAX_BROKEN_STEPS: Final = 20
_Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]  # as `AveragedModel` passes them


@dataclass
class StepFigures:
    """How far a training is; told to whoever watches after every step."""

    epoch: int
    step: int
    total_steps: int
    loss: float


class Training:
    """A training that can be stopped at any point and goes on from its last checkpoint with the same result.

    Everything random depends on the recipe's seed and the number of the step, so a checkpoint needs no generators.

    Args:
        folder: of the run; its recipe says what is done.
        start: the network to begin with.
        train: the training images.
        validation: measures the average of the weights after every epoch.
        compute: device and precision.
        checkpoint_every_s: the most work that a kill may cost, in seconds.

    Raises:
        RunError: the folder's checkpoint is damaged.
    """

    def __init__(
        self,
        folder: RunFolder,
        start: InitialNetwork,
        train: Pixels,
        validation: Validation,
        *,
        compute: Compute,
        checkpoint_every_s: float,
    ) -> None:
        self._folder, self._recipe, self._train, self._validation = folder, folder.recipe, train, validation
        self._compute, self._checkpoint_every_s = compute, checkpoint_every_s
        self._network = start.network.to(compute.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._head = start.head
        self._optimizer = _optimizer(self._recipe, start)
        self._average = AveragedModel(self._network, multi_avg_fn=_follow(self._recipe.ema_decay), use_buffers=True)
        self._average.requires_grad_(requires_grad=False)
        self._augment = Augmenter(self._recipe)
        self._broken_steps, self._loss_sum = 0, 0.0
        self._saved_at_s = time.monotonic()
        self._batch = min(self._recipe.batch_size, len(train))
        self._steps_per_epoch = len(train) // self._batch
        self.total_steps = self._steps_per_epoch * self._recipe.epochs
        self.step = 0
        self.history: list[EpochFigures] = []
        self._restore()

    @property
    def network(self) -> nn.Module:
        """The average of the weights: what is evaluated and kept."""
        return self._average.module

    def run(self, on_step: Callable[[StepFigures], None], on_epoch: Callable[[EpochFigures], None]) -> None:
        """Trains to the end.

        Raises:
            RunError: the loss is not a number any more.
        """
        while self.step < self.total_steps:
            epoch = self.step // self._steps_per_epoch
            begun_at_s, first = time.monotonic(), self.step
            self._train_epoch(epoch, on_step)
            seconds = time.monotonic() - begun_at_s
            on_epoch(self._end_epoch(epoch, seconds, (self.step - first) * self._batch / seconds))

    def _train_epoch(self, epoch: int, on_step: Callable[[StepFigures], None]) -> None:
        order = _image_order(self._recipe, epoch, len(self._train))
        size = self._recipe.train_size(epoch)
        self._unfreeze(epoch)
        while self.step < (epoch + 1) * self._steps_per_epoch:
            position = self.step % self._steps_per_epoch
            loss = self._train_batch(order[position * self._batch : (position + 1) * self._batch], size)
            self._count(loss)
            on_step(StepFigures(epoch, self.step, self.total_steps, loss))
            # The end of an epoch has its own checkpoint, after the figures.
            is_due = time.monotonic() - self._saved_at_s >= self._checkpoint_every_s
            if is_due and self.step % self._steps_per_epoch:
                self._save()

    def _end_epoch(self, epoch: int, seconds: float, images_per_s: float) -> EpochFigures:
        measured = self._validation.measure(self.network)
        figures = EpochFigures(
            epoch=epoch + 1,
            step=self.step,
            learning_rate=_learning_rate(self._recipe, self.step - 1, self._steps_per_epoch),
            train_size=self._recipe.train_size(epoch),
            train_loss=self._loss_sum / self._steps_per_epoch,
            val_loss=measured.loss,
            val_top1_pct=measured.top1_pct,
            val_top5_pct=measured.top5_pct,
            seconds=seconds,
            images_per_s=images_per_s,
        )
        self._loss_sum = 0.0
        self.history.append(figures)
        self._save()
        return figures

    def _train_batch(self, chosen: Tensor, size: int) -> float:
        recipe, step = self._recipe, self.step
        rate = _learning_rate(recipe, step, self._steps_per_epoch)
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
        self._average.update_parameters(self._network)
        return float(loss.detach())

    def _count(self, loss: float) -> None:
        is_finite = math.isfinite(loss)
        self._broken_steps = 0 if is_finite else self._broken_steps + 1
        if self._broken_steps >= _MAX_BROKEN_STEPS:
            raise RunError(
                f"The training diverged after {self.step:,} steps: the loss is not a number any more. "
                "Take a lower `--learning-rate` and another folder."
            )
        self._loss_sum += loss if is_finite else 0.0
        self.step += 1

    def _unfreeze(self, epoch: int) -> None:
        """While the body is frozen only the head learns, and norms keep the statistics that they came with."""
        is_frozen = epoch < self._recipe.freeze_epochs
        self._network.train(not is_frozen)
        for name, parameter in self._network.named_parameters():
            parameter.requires_grad_(not is_frozen or name.startswith(f"{self._head}."))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "loss_sum": self._loss_sum,
            "network": self._network.state_dict(),
            "average": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        self._folder.save_checkpoint(state, self.history)
        self._saved_at_s = time.monotonic()

    def _restore(self) -> None:
        if saved := self._folder.load_checkpoint():
            self._network.load_state_dict(saved["network"])
            self.network.load_state_dict(saved["average"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step, self._loss_sum = saved["step"], saved["loss_sum"]
            self.history = [EpochFigures(**row) for row in saved["history"]]
        # The network before its first step is the first of those that are averaged.
        self._average.n_averaged.fill_(self.step + 1)


def _follow(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Moves an average towards the trained network, faster at first: it is not made of random weights for long."""

    def move(averages: _Tensors, weights: _Tensors, averaged: Tensor | int) -> None:
        if averages[0].is_floating_point():
            get_ema_multi_avg_fn(min(decay, int(averaged) / (9 + int(averaged))))(averages, weights, averaged)
        else:  # counters
            for mine, theirs in zip(averages, weights, strict=True):
                mine.copy_(theirs)

    return move


def _optimizer(recipe: Recipe, start: InitialNetwork) -> torch.optim.Optimizer:
    """Makes the optimizer; the head has its own learning rate, norms and biases have no weight decay."""
    groups: list[dict[str, object]] = []
    for is_head in (False, True):
        for decays in (True, False):
            chosen = [
                parameter
                for name, parameter in start.network.named_parameters()
                if name.startswith(f"{start.head}.") == is_head and (parameter.ndim > 1) == decays
            ]
            if chosen:
                weight_decay = recipe.weight_decay if decays else 0.0
                factor = recipe.head_learning_rate_factor if is_head else 1.0
                groups.append({"params": chosen, "weight_decay": weight_decay, "factor": factor})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)  # pyright: ignore[reportArgumentType]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)  # pyright: ignore[reportArgumentType]


def _learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Gives the learning rate of a step (from 0): a linear warm-up, then half a cosine down to zero."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    total = recipe.epochs * steps_per_epoch
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1.0, total - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _image_order(recipe: Recipe, epoch: int, images: int) -> Tensor:
    """Gives the order of the training images in an epoch (from 0): int64 [images]."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(recipe.seed * 7919 + epoch))
