"""Removes old versions of a model from a store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from imgcls_train.store.documents import Version, short
from imgcls_train.store.model_store import ModelStore


@dataclass(frozen=True)
class Pruned:
    """What has gone, or would: versions' ids, the oldest first, and the bytes of their files."""

    name: str
    removed: list[str]
    kept: int
    bytes: int
    dry_run: bool

    def to_json(self) -> str:
        """One document."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_text(self) -> str:
        """Lines for a user."""
        verb = "would be removed" if self.dry_run else "removed"
        lines = [f"{short(one)}  {verb}\n" for one in self.removed]
        return (
            "".join(lines) + f"{self.name}: {len(self.removed)} {verb} ({self.bytes / 1e6:.1f} MB), {self.kept} kept\n"
        )


def prune(store: ModelStore, name: str | None, *, keep: int, dry_run: bool) -> Pruned:
    """Removes all versions of a model but the newest, the latest and the one before that.

    Args:
        store: where it is.
        name: of the model; None where the store has only one.
        keep: how many of the newest stay.
        dry_run: whether to remove nothing.

    Raises:
        RequestError: there is no such model, or more than one.
        StoreError: the store cannot be reached or refuses.
    """
    name = store.only_name(name)
    versions, _ = store.versions(name)
    old = [one for one in versions[:-keep] if not _is_in_use(store, one)]
    removed = old if dry_run else [one for one in old if _remove(store, one)]
    size = sum(file.bytes for one in removed for file in one.files)
    return Pruned(name, [one.id for one in removed], len(versions) - len(removed), size, dry_run)


def _is_in_use(store: ModelStore, version: Version) -> bool:
    pointer = store.pointer(version.name)
    return pointer is not None and version.id in {pointer.version, pointer.previous}


def _remove(store: ModelStore, version: Version) -> bool:
    """Takes a version away, unless somebody has gone back to it meanwhile; whether it is gone."""
    # Without its manifest nobody can go back to it any more. Whoever did just before is seen now.
    store.withdraw(version)
    if _is_in_use(store, version):
        store.complete(version)
        return False
    for file in version.files:
        store.files.remove(f"{version.name}/{version.id}/{file.path}")
    return True
