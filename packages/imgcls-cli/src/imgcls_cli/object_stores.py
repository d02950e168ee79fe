"""Object stores through fsspec: what their libraries raise, and an object that is replaced only if nobody else did.

fsspec and a store's library are imported when one is opened; who opens one depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

# Protocol → the errors of its libraries that are no OSError, and what `info` calls an object's present state. A
# ValueError is gcsfs's for what the store calls invalid, and adlfs's where no account is named.
_KNOWN: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "s3": (("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError"), "ETag"),
    "gs": (("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "builtins:ValueError"), "generation"),
    "az": (("azure.core.exceptions:AzureError", "builtins:ValueError"), "etag"),
    "http": ((), ""),
    "https": ((), ""),
    "memory": ((), "created"),
}
# Protocols of `file_system`; "memory" is for tests.
PROTOCOLS: Final = tuple(name for name in _KNOWN if name != "memory")
# What S3 answers to a write whose condition does not hold: the object has changed, or is being changed.
_CHANGED_S3: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A store of one protocol; credentials come from the environment, as its library reads them.

    Attributes:
        protocol: as "s3".
        filesystem: of fsspec, which is untyped.
        errors: what it raises when it cannot be reached or refuses.
    """

    protocol: str
    filesystem: Any
    errors: tuple[type[Exception], ...]

    def state(self, place: str) -> str | None:
        """Gives what changes when an object is replaced, its ETag or generation; None when there is none."""
        try:
            return str(self.filesystem.info(place).get(_KNOWN[self.protocol][1]))
        except FileNotFoundError:
            return None

    def put(self, place: str, content: bytes, *, over: str | None) -> bool:
        """Puts an object in place if what is there has the state `over` (None: nothing); the store itself sees to it.

        Returns:
            Whether it did; False, too, when an answer was lost and the second try met the object of the first.
        """
        filesystem = self.filesystem
        try:
            if self.protocol == "memory":
                if self.state(place) != over:
                    return False
                filesystem.pipe_file(place, content)
            elif over is None:  # If-None-Match: *, ifGenerationMatch=0
                filesystem.pipe_file(place, content, mode="create")
            elif self.protocol == "s3":
                filesystem.pipe_file(place, content, IfMatch=over)
            elif self.protocol == "az":
                condition = import_module("azure.core").MatchConditions.IfNotModified
                filesystem.pipe_file(place, content, etag=over, match_condition=condition)
            else:  # gcsfs knows "create" alone
                bucket, key, _ = filesystem.split_path(place)
                uploads = filesystem.base.replace("/storage/v1/", "/upload/storage/v1/") + "b/{}/o"
                asked = {"uploadType": "media", "name": key, "ifGenerationMatch": over}
                filesystem.call("POST", uploads, bucket, data=content, **asked)
        except self.errors as error:
            if _is_changed(error) or (over is not None and isinstance(error, FileNotFoundError)):
                return False
            raise
        return True


def object_store(protocol: str) -> ObjectStore:
    """Opens the store of a protocol of `PROTOCOLS`.

    Raises:
        ImportError: its library is not installed.
        OSError, ValueError: it cannot be set up, as without an account.
    """
    filesystem = import_module("fsspec").filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
    names = [*_KNOWN[protocol][0], *(() if protocol == "memory" else ("aiohttp:ClientError", "asyncio:TimeoutError"))]
    errors = (getattr(import_module(module), name) for module, name in (found.split(":") for found in names))
    return ObjectStore(protocol, filesystem, (OSError, *cast("tuple[type[Exception], ...]", tuple(errors))))


def _is_changed(error: Exception) -> bool:
    """Whether a store says that the condition of a write does not hold."""
    answer: Any = getattr(error.__cause__, "response", None) or {}  # of botocore, from which s3fs makes an OSError
    said = answer.get("Error", {}).get("Code") if hasattr(answer, "get") else None
    return isinstance(error, FileExistsError) or said in _CHANGED_S3 or getattr(error, "status_code", None) == 412
