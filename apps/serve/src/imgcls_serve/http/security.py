"""Who may do what: keys of callers, the token of admins; compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from imgcls_serve.errors import ForbiddenError, UnauthorizedError
from imgcls_serve.settings import Settings

# What orchestrators, browsers and users ask before they have a key. None of it tells what the models are.
PUBLIC_PATHS: Final = frozenset(
    {"/", "/health", "/ready", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready"}
)
PUBLIC_PREFIX: Final = "/assets/"


class Gatekeeper:
    """Knows the keys.

    Args:
        api_keys: any of them opens the ordinary routes; none means that they are open.
        admin_token: opens the admin routes, and the ordinary ones; None means that admin routes are closed.
    """

    def __init__(self, *, api_keys: Iterable[str], admin_token: str | None) -> None:
        self._api = [_digest(key.encode()) for key in api_keys]
        self._admin = [_digest(admin_token.encode())] if admin_token is not None else []

    @classmethod
    def of(cls, settings: Settings) -> Gatekeeper:
        """Gives the gatekeeper who knows the keys of these settings."""
        token = settings.admin_token
        return cls(api_keys=settings.api_key_list, admin_token=token.get_secret_value() if token is not None else None)

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises if these headers do not open this address.

        Raises:
            UnauthorizedError: a key is needed and none was sent.
            ForbiddenError: the key is wrong.
        """
        if not self._api or path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIX):
            return
        key = _key_of(headers)
        if key is None:
            raise UnauthorizedError("an API key")
        if not _is_one_of(key, self._api + self._admin):
            raise ForbiddenError("The API key is wrong.")

    def is_stranger(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether keys are needed and these headers have none that is right: open routes then name no model."""
        key = _key_of(headers)
        return bool(self._api) and (key is None or not _is_one_of(key, self._api + self._admin))

    def key_digest(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        """Names the caller by its key, where keys are needed."""
        key = _key_of(headers) if self._api else None
        return _digest(key) if key is not None else None

    def check_admin(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises if these headers do not open the admin routes.

        Raises:
            UnauthorizedError: no token was sent.
            ForbiddenError: the token is wrong, or there is none that would be right.
        """
        if not self._admin:
            raise ForbiddenError("Admin routes are closed; `IMGCLS_ADMIN_TOKEN` opens them to whoever sends it.")
        key = _key_of(headers)
        if key is None:
            raise UnauthorizedError("the admin token")
        if not _is_one_of(key, self._admin):
            raise ForbiddenError("The admin token is wrong.")


def _key_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    if (key := headers.get(b"x-api-key")) is not None:
        return key.strip()
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def _digest(key: bytes) -> bytes:
    # Digests have one length, so that the comparison tells nothing of a key's own.
    return hashlib.sha256(key).digest()


def _is_one_of(key: bytes, digests: Iterable[bytes]) -> bool:
    found = _digest(key)
    # All are compared, so that the time does not tell which one it was.
    return sum(hmac.compare_digest(found, digest) for digest in digests) > 0
