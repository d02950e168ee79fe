"""A local copy of what a model store serves, for `imgcls-serve --models-dir`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgcls_train.errors import StoreError
from imgcls_train.store.documents import Pointer, StoredFile, Version
from imgcls_train.store.local_files import LocalFiles
from imgcls_train.store.model_store import ModelStore


@dataclass(frozen=True)
class Pulled:
    """One model's latest version in the copy; `changed` is False when it was there already."""

    version: Version
    changed: bool


def pull_latest(store: ModelStore, copy: ModelStore, target: LocalFiles, name: str) -> Pulled:
    """Copies the latest version of a model; its pointer moves when everything is there and has the right hash.

    Args:
        store: where it is published.
        copy: the copy, a store in `target`.
        target: the folder.
        name: of the model.

    Raises:
        StoreError: there is no such model, the store cannot be reached, or a file is damaged.
    """
    pointer, version = store.pointer(name), store.latest(name)
    if pointer is None or version is None:
        raise StoreError(
            f"There is no model {name!r} in {store.url!r}; there are {', '.join(store.names()) or 'none'}."
        )
    # The pointer may have moved between the two; what it now says is whole as well.
    pointer = Pointer(version.id, pointer.moved, pointer.previous)
    if copy.pointer(name) == pointer and copy.version(name, version.id) == version:
        return Pulled(version, changed=False)
    target.sweep(name)
    for file in version.files:
        _fetch(store, copy, target, f"{name}/{version.id}/{file.path}", file)
    copy.complete(version)
    copy.point(name, pointer)
    return Pulled(version, changed=True)


def open_copy(folder: Path, store: ModelStore) -> tuple[ModelStore, LocalFiles]:
    """Opens the folder that a store is copied into."""
    files = LocalFiles(folder)
    return ModelStore(files, store.progress), files


def _fetch(store: ModelStore, copy: ModelStore, target: LocalFiles, path: str, file: StoredFile) -> None:
    if copy.holds(path, file):
        return
    downloading = store.progress.transfer(f"Downloading {file.name}", file.bytes)
    with target.arriving(path) as arriving, downloading as transfer:
        if not store.receive(path, file, arriving, transfer.advance):
            raise StoreError(
                f"{store.url}/{path} is not there, or damaged: its content has another hash or length than its "
                "version says. Publish that version again. The copy is as it was."
            )
