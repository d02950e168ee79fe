"""Signatures over the seal, with Ed25519: who says that this artifact is the one. Needs the extra `sign`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from imgcls_contract.classification import decoder_of
from msgspec import Struct

from imgcls_core.artifact.props import FileParts, parts_of, with_props
from imgcls_core.artifact.seal import SIGNATURES_KEY, Seal, checked_seal
from imgcls_core.errors import TrustError

_CONTEXT: Final = b"imgcls-seal-v1\n"
_RAW_KEY_BYTES: Final = 32


class Signature(Struct, frozen=True):
    """One signature; `public_key` and `signature` are base64 of the raw bytes."""

    algorithm: Literal["ed25519"]
    key_id: str
    public_key: str
    signature: str


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 key that is trusted; `raw` are its 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """Gives its short name: 16 hex digits of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]


def read_public_key(text: str) -> PublicKey:
    """Reads a public key.

    Args:
        text: base64 of the 32 raw bytes, or the path of a PEM file (SubjectPublicKeyInfo).

    Raises:
        TrustError: it is neither.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        if len(raw) == _RAW_KEY_BYTES:
            return PublicKey(raw)
    except binascii.Error:
        pass
    try:
        pem = Path(text).read_bytes()
    except OSError as error:
        raise TrustError(
            f"{text!r} is neither a public key in base64 (32 bytes) nor a PEM file that can be read "
            f"({error.strerror or error}); `openssl pkey -in private.pem -pubout` makes one of the private key."
        ) from error
    cryptography = _cryptography()
    try:
        key = cryptography.serialization.load_pem_public_key(pem)
    except (ValueError, cryptography.unsupported) as error:
        raise TrustError(
            f"{text!r} holds no public key in PEM form; `openssl pkey -in private.pem -pubout -out {text}` writes it."
        ) from error
    if not isinstance(key, cryptography.ed25519.Ed25519PublicKey):
        raise TrustError(f"{text!r} holds a key of another kind; signatures are made with Ed25519.")
    return PublicKey(key.public_bytes_raw())


def sign_artifact(content: bytes, private_key_pem: bytes, *, path: str) -> bytes:
    """Gives an artifact's file with one more signature over its seal; a signature of the same key is replaced.

    Args:
        content: the file.
        private_key_pem: an Ed25519 key, PKCS8 in PEM form, without a password.
        path: the file, for the error text.

    Raises:
        TrustError: it is unsealed, or the key cannot be used.
        SealBrokenError: it was changed after it was sealed.
    """
    parts = parts_of(content, path=path)
    seal = checked_seal(parts, path=path)
    if seal is None:
        raise TrustError(f"{path!r} carries no seal to sign. Convert the model again with `imgcls-convert`.")
    cryptography = _cryptography()
    try:
        key = cryptography.serialization.load_pem_private_key(private_key_pem, password=None)
    except (TypeError, ValueError, cryptography.unsupported) as error:
        raise TrustError(f"The private key cannot be read: {error}") from error
    if not isinstance(key, cryptography.ed25519.Ed25519PrivateKey):
        raise TrustError("The private key is of another kind; signatures are made with Ed25519.")
    public = PublicKey(key.public_key().public_bytes_raw())
    new = Signature("ed25519", public.key_id, _base64(public.raw), _base64(key.sign(_message(seal))))
    signatures = [one for one in signatures_of(parts, path=path) if one.key_id != new.key_id]
    return with_props(content, {**parts.props, SIGNATURES_KEY: msgspec.json.encode([*signatures, new]).decode()})


def signatures_of(parts: FileParts, *, path: str) -> tuple[Signature, ...]:
    """Gives the signatures that a file carries, none of them checked.

    Raises:
        TrustError: they are damaged.
    """
    text = parts.props.get(SIGNATURES_KEY, "[]")
    try:
        found: tuple[Signature, ...] = decoder_of(tuple[Signature, ...]).decode(text)
    except msgspec.DecodeError as error:
        raise TrustError(f"The signatures of {path!r} are damaged: {error}.") from error
    return found


def check_signatures(
    parts: FileParts, seal: Seal | None, *, trusted: Collection[PublicKey], path: str
) -> tuple[str, ...]:
    """Raises if no trusted key has signed.

    Args:
        parts: what was read of the file.
        seal: its seal, checked.
        trusted: keys, one of which must have signed; none: unsigned files are as good.
        path: the file, for the error text.

    Returns:
        The ids of the keys whose signature was checked and fits: of the trusted ones, or of all where none are named.

    Raises:
        TrustError: no trusted key has signed, or a signature does not fit.
    """
    carried = signatures_of(parts, path=path)
    if not trusted:
        if seal is None or not carried or not can_check():
            return ()
        return tuple(one.key_id for one in carried if _fits(one, seal))
    ids = {key.key_id: key for key in trusted}
    ours = [one for one in carried if one.key_id in ids]
    if seal is None or not ours:
        by = f"only by {', '.join(one.key_id for one in carried)}" if carried else "by nobody"
        raise TrustError(f"{path!r} is signed {by}; a key that is trusted here must have signed it ({', '.join(ids)}).")
    for one in ours:
        if one.public_key != _base64(ids[one.key_id].raw) or not _fits(one, seal):
            raise TrustError(f"The signature of key {one.key_id} on {path!r} does not fit: it is another artifact's.")
    return tuple(one.key_id for one in ours)


def can_check() -> bool:
    """Says whether signatures can be checked here: whether the extra `sign` is installed."""
    try:
        require_cryptography()
    except TrustError:
        return False
    return True


def require_cryptography() -> None:
    """Raises if signatures cannot be checked here.

    Raises:
        TrustError: names the extra that is to be installed.
    """
    _cryptography()


def _fits(signature: Signature, seal: Seal) -> bool:
    cryptography = _cryptography()
    try:
        key = cryptography.ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.public_key))
        key.verify(base64.b64decode(signature.signature), _message(seal))
    except (ValueError, cryptography.invalid):
        return False
    return PublicKey(base64.b64decode(signature.public_key)).key_id == signature.key_id


def _message(seal: Seal) -> bytes:
    return _CONTEXT + seal.seal.encode("ascii")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


@dataclass(frozen=True)
class _Cryptography:
    serialization: Any
    ed25519: Any
    invalid: type[Exception]
    unsupported: type[Exception]


def _cryptography() -> _Cryptography:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError as error:
        raise TrustError(
            "Signatures need the package cryptography: install `imgcls-core[sign]`, `imgcls-serve[sign]` or "
            "`imgcls-convert[sign]`."
        ) from error
    return _Cryptography(serialization, ed25519, InvalidSignature, UnsupportedAlgorithm)
