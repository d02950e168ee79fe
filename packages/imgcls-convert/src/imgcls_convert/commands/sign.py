"""`imgcls-convert sign FILE --key PRIVATE.pem`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=("imgcls-convert sign models/pets.onnx --key private.pem",),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help="Ed25519, PKCS8 in PEM form, without a password."
)
def command(*, file: Path, key: Path) -> None:
    """Signs an artifact: its seal, and with it everything that the seal covers.

    Make a key with `openssl genpkey -algorithm ed25519 -out PRIVATE.pem`, and the public one that others check with
    by `openssl pkey -in PRIVATE.pem -pubout -out PUBLIC.pem`. A service that is given IMGCLS_TRUSTED_KEYS serves only
    what one of them has signed. Signing again with the same key replaces its signature.
    """
    from imgcls_cli.files import replace_file
    from imgcls_core.artifact.props import parts_of
    from imgcls_core.artifact.signature import sign_artifact, signatures_of
    from imgcls_core.errors import ArtifactNotFoundError
    from imgcls_networks.errors import RequestError

    if not file.is_file():
        raise ArtifactNotFoundError(str(file))
    try:
        private_key = key.read_bytes()
    except OSError as error:
        raise RequestError(
            f"The key {str(key)!r} cannot be read: {error.strerror or error}. "
            f"`openssl genpkey -algorithm ed25519 -out {key}` makes one."
        ) from error
    signed = sign_artifact(file.read_bytes(), private_key, path=str(file))
    replace_file(file, signed, durable=True)
    keys = ", ".join(one.key_id for one in signatures_of(parts_of(signed, path=str(file)), path=str(file)))
    echo(f"{file} is signed by {keys}")
