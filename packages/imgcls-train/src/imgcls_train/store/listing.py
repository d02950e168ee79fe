"""What a model store holds, as a table and as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from imgcls_train.errors import StoreError
from imgcls_train.store.documents import Version, short
from imgcls_train.store.model_store import ModelStore


@dataclass(frozen=True)
class ListedVersion:
    """One version: `is_latest` when it is the one that is served; accuracy is None where nobody evaluated it."""

    name: str
    version: str
    published: str
    is_latest: bool
    megabytes: float
    top1_pct: float | None
    split: str | None
    images: int | None


@dataclass(frozen=True)
class Listing:
    """The versions, the oldest of a model first, and how many uploads have not ended."""

    versions: list[ListedVersion]
    unfinished: int

    def to_json(self) -> str:
        """One document."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_text(self) -> str:
        """Lines for a user; `*` marks what is served."""
        width = max(len(row.name) for row in self.versions)
        lines = [f"  {'name':<{width}}  {'version':<19}  {'published':<25}  {'MB':>7}  {'top-1':>7}  on\n"]
        for row in self.versions:
            top1 = "–" if row.top1_pct is None else f"{row.top1_pct:.2f} %"
            on = "" if row.split is None else f"{row.split} ({row.images:,} images)"
            mark = "*" if row.is_latest else " "
            lines.append(
                f"{mark} {row.name:<{width}}  {short(row.version):<19}  {row.published:<25}  {row.megabytes:>7.1f}  "
                f"{top1:>7}  {on}".rstrip()
                + "\n"
            )
        return "".join(lines)


def list_store(store: ModelStore, name: str | None) -> Listing:
    """Lists a store, or one model of it.

    Raises:
        StoreError: it cannot be reached, or holds nothing (of that name).
    """
    rows: list[ListedVersion] = []
    unfinished = 0
    for one in store.names() if name is None else [name]:
        pointer = store.pointer(one)
        versions, waiting = store.versions(one)
        unfinished += waiting
        rows += [_row(version, pointer is not None and pointer.version == version.id) for version in versions]
    if not rows:
        what = "no model" if name is None else f"no model {name!r}"
        raise StoreError(f"There is {what} in {store.url!r}; `imgcls-train publish ARTIFACT STORE` puts one there.")
    return Listing(rows, unfinished)


def _row(version: Version, is_latest: bool) -> ListedVersion:
    best = max(version.evaluations, key=lambda one: one.images, default=None)
    return ListedVersion(
        version.name,
        version.id,
        version.published,
        is_latest,
        round(version.artifact.bytes / 1e6, 1),
        best.top1_pct if best else None,
        best.split if best else None,
        best.images if best else None,
    )
