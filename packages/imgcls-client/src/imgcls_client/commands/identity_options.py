"""The options that say which model a deployment should run, and where the right answers come from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from imgcls_sdk.errors import SettingsError

if TYPE_CHECKING:
    from imgcls_core.verification.truth import ArtifactTruth

_Command = TypeVar("_Command", bound=Callable[..., Any])

# What an Ed25519 key's SubjectPublicKeyInfo begins with (RFC 8410); its 32 bytes follow.
_ED25519_HEAD = bytes.fromhex("302a300506032b6570032100")
_RAW_BYTES = 32


class _KeyId(click.ParamType[str]):
    """The short name of a publisher's key, or the key itself: as base64, or a PEM file."""

    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Gives 16 hex digits of the SHA-256 of the public key's raw bytes."""
        text = str(value)
        if re.fullmatch("[0-9a-fA-F]{1,16}", text):
            return text.lower()
        path = Path(text)
        pem = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else text
        if "PRIVATE KEY" in pem:
            self.fail(f"{text} is a private key; name its public one: openssl pkey -in {text} -pubout", param, ctx)
        try:
            der = base64.b64decode("".join(re.sub("-----[^-]+-----", "", pem).split()), validate=True)
        except binascii.Error:
            der = b""
        raw = der.removeprefix(_ED25519_HEAD)
        if len(raw) != _RAW_BYTES:
            self.fail(
                f"{text!r} is neither a key's id (16 hex digits, as `imgcls-convert inspect` shows) nor an Ed25519 "
                "public key (a PEM file, or base64).",
                param,
                ctx,
            )
        return hashlib.sha256(raw).hexdigest()[:16]


class _Sha256(click.ParamType[str]):
    name = "sha256"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Gives the beginning of a SHA-256, in lower case."""
        if not re.fullmatch("[0-9a-fA-F]{1,64}", text := str(value)):
            self.fail(f"{text!r} is no SHA-256; `imgcls-convert inspect FILE` shows that of an artifact.", param, ctx)
        return text.lower()


def identity_options(command: _Command) -> _Command:
    """Gives a command `--artifact`, `--model-sha256`, `--signed-by` and `--model`."""
    options = (
        click.option(
            "--artifact",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Your own copy of the model: right answers come from it, not from the deployment (extra `verify`).",
        ),
        click.option(
            "--model-sha256", type=_Sha256(), help="Fail when another model answers; its beginning is enough."
        ),
        click.option(
            "--signed-by",
            multiple=True,
            type=_KeyId(),
            metavar="KEY",
            help="Fail when this key (its id, or a PEM file with the public key) has not signed the model.",
        ),
        click.option("--model", help="Ask this model instead of the service's default one."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def truth_of(artifact: Path | None) -> ArtifactTruth | None:
    """Loads the artifact, where there is one.

    Raises:
        SettingsError: the extra is not installed, or the file cannot be used.
    """
    if artifact is None:
        return None
    try:
        from imgcls_core import ImgclsError
        from imgcls_core.verification.truth import ArtifactTruth
    except ImportError as error:
        raise SettingsError(
            f"--artifact needs the extra `verify` ({error.name} is missing): `pip install 'imgcls-client[verify,cpu]'`."
        ) from error
    try:
        return ArtifactTruth(artifact)
    except ImgclsError as error:
        raise SettingsError(f"--artifact {artifact} cannot be used: {error}") from error
