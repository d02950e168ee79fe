"""`imgcls-train pull`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo


@click.command(
    "pull",
    cls=HelpedCommand,
    examples=("imgcls-train pull s3://models models --name flowers",),
)
@click.argument("url", metavar="STORE")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only this model; may be repeated.  [all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(url: str, folder: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Copy the latest version of each model of a store into FOLDER, for `imgcls-serve --models-dir FOLDER`.

    Every file is checked against its hash; a model's pointer moves when all of its version is there, so a service may
    read the folder at any moment.
    """
    from imgcls_cli.terminal import TerminalProgress

    from imgcls_train.errors import StoreError
    from imgcls_train.store.documents import checked_name, short
    from imgcls_train.store.model_store import ModelStore
    from imgcls_train.store.opening import open_files
    from imgcls_train.store.pull import open_copy, pull_latest

    store = ModelStore(open_files(url), TerminalProgress())
    copy, target = open_copy(folder, store)
    chosen = [checked_name(name) for name in names] or store.names()
    if not chosen:
        raise StoreError(f"There is no model in {url!r}; `imgcls-train publish ARTIFACT STORE` puts one there.")
    pulled = [pull_latest(store, copy, target, name) for name in chosen]
    if as_json:
        rows = [{"name": one.version.name, "version": one.version.id, "changed": one.changed} for one in pulled]
        echo(json.dumps(rows, indent=2))
        return
    for one in pulled:
        state = "new" if one.changed else "unchanged"
        echo(f"{one.version.name}  {short(one.version.id)}  {state}\n", nl=False)
