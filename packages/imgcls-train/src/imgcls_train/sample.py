"""One labelled image of a dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled image: its name within the split, and the index of its class in the split's `class_names`."""

    name: str
    class_index: int
