"""The images of a split as pixels of one size: decoded once into memory, or anew for every batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

import numpy as np
import torch
from imgcls_cli.progress import Progress
from imgcls_core.artifact import Preprocessing
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from numpy.typing import NDArray
from torch import Tensor

from imgcls_train.data.split import Split
from imgcls_train.errors import DatasetError

# Above this share of the memory that is free, images are decoded for every batch instead.
_MEMORY_SHARE: Final = 0.5
_AT_A_TIME: Final = 512


class Pixels:
    """Images of one size by their index.

    Images that cannot be decoded are left out; `skipped` names them with the reason.

    Args:
        split: the images.
        preprocessing: the native size is what they are decoded to, exactly as a service does it.
        progress: is told how far it is and what is left out.
        in_memory: None decides by the memory that is free.

    Raises:
        DatasetError: none of them can be decoded.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, progress: Progress, *, in_memory: bool | None = None
    ) -> None:
        self._split = split
        self._shrink = ImagePreprocessor(preprocessing)
        self._workers = ThreadPoolExecutor(allotted_cpus(), thread_name_prefix="decode")
        height, width = preprocessing.native_size
        count = len(split.samples)
        self.skipped: dict[str, str] = {}
        if in_memory is None:
            in_memory = count * height * width * 3 < _MEMORY_SHARE * _free_memory_bytes()
        self._stored = np.empty((count if in_memory else 0, height, width, 3), np.uint8)
        good: list[int] = []
        # Every image is decoded once even when it is not kept: a damaged one must be found now, not in an epoch.
        for index, pixels in progress.track(self._decoded(range(count)), f"decode {split.name}", count):
            if pixels is None:
                continue
            if in_memory:
                self._stored[len(good)] = pixels
            good.append(index)
        if self.skipped:
            first, reason = next(iter(self.skipped.items()))
            progress.note(f"{len(self.skipped)} {split.name} images are left out; the first: {first}: {reason}")
        if not good:
            raise DatasetError(f"None of the {split.name!r} images can be decoded.")
        self._indices = good if not in_memory else list(range(len(good)))
        self._in_memory = in_memory
        self.targets = torch.tensor([split.samples[i].class_index for i in good])

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, positions: Tensor) -> Tensor:
        """Gives images: int64 [N] positions → uint8 [N, H, W, 3]."""
        if self._in_memory:
            return torch.from_numpy(self._stored[positions.numpy()])
        found = self._workers.map(self._one, [self._indices[i] for i in positions.tolist()])
        return torch.from_numpy(np.stack([pixels for _, pixels in found if pixels is not None]))

    def _decoded(self, indices: Sequence[int]):  # noqa: ANN202 - a generator of (index, pixels or None)
        waiting = iter(indices)
        while chunk := list(islice(waiting, _AT_A_TIME)):
            yield from self._workers.map(self._one, chunk)

    def _one(self, index: int) -> tuple[int, NDArray[np.uint8] | None]:
        try:
            return index, self._shrink(self._split.read(index))
        except ImageError as error:
            self.skipped[self._split.samples[index].name] = str(error)
            return index, None


def _free_memory_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
