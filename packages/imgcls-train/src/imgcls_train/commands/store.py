"""`imgcls-train store list | rollback | prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from imgcls_cli.helped import HelpedCommand, HelpedGroup
from imgcls_cli.printable import echo

if TYPE_CHECKING:
    from imgcls_train.store.model_store import ModelStore

_name = click.option("--name", metavar="NAME", help="Of the model.  [the only one of the store]")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(
    "store",
    cls=HelpedGroup,
    examples=(
        "imgcls-train store list s3://models",
        "imgcls-train store rollback s3://models sha256-5f0a",
        "imgcls-train store prune s3://models --keep 5 --dry-run",
    ),
)
def command() -> None:
    """Look after a model store, which is a folder, s3://BUCKET/PATH, gs://… or az://…."""


@command.command("list", cls=HelpedCommand, examples=("imgcls-train store list ./store --name everyday100",))
@click.argument("url", metavar="STORE")
@click.option("--name", metavar="NAME", help="Only this model.  [all]")
@_as_json
def list_command(url: str, name: str | None, *, as_json: bool) -> None:
    """Show versions, their accuracy, and which is served."""
    from imgcls_train.store.listing import list_store

    store = _opened(url)
    listing = list_store(store, name)
    if listing.unfinished:
        store.progress.note(f"uploads that have not ended: {listing.unfinished}; publish those artifacts again")
    echo(listing.to_json() if as_json else listing.to_text(), nl=False)


@command.command("rollback", cls=HelpedCommand, examples=("imgcls-train store rollback ./store 5f0a",))
@click.argument("url", metavar="STORE")
@click.argument("version")
@_name
@_as_json
def rollback_command(url: str, version: str, name: str | None, *, as_json: bool) -> None:
    """Let VERSION, or the one whose hash begins so, be the latest; a later one too."""
    from imgcls_train.commands.publish import print_published
    from imgcls_train.store.publication import roll_back

    store = _opened(url)
    print_published(roll_back(store, name, version), store.url, as_json=as_json)


@command.command(
    "prune",
    cls=HelpedCommand,
    examples=("imgcls-train store prune ./store --keep 5 --dry-run", "imgcls-train store prune ./store --keep 5"),
)
@click.argument("url", metavar="STORE")
@click.option("--keep", type=click.IntRange(1), required=True, metavar="N", help="Newest versions that stay.")
@_name
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@_as_json
def prune_command(url: str, keep: int, name: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Remove old versions of a model.

    The latest version and the one before it, to which `rollback` goes back, stay whatever their age.
    """
    from imgcls_train.store.pruning import prune

    pruned = prune(_opened(url), name, keep=keep, dry_run=dry_run)
    echo(pruned.to_json() if as_json else pruned.to_text(), nl=False)


def _opened(url: str) -> ModelStore:
    from imgcls_cli.terminal import TerminalProgress

    from imgcls_train.store.model_store import ModelStore
    from imgcls_train.store.opening import open_files

    return ModelStore(open_files(url), TerminalProgress())
