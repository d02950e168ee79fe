"""What can go wrong in the service besides core's errors; knows nothing of HTTP (`problems.py` does).

ServiceError (ImgclsError)
├── QueueFullError            as much is waiting as may wait
├── NotReadyError             no model yet, a failed start, a dead worker, draining
├── DeadlinePassedError       the answer would come too late (TimeoutError)
├── CallerGoneError           nobody waits for the answer any more
├── UnknownModelError         no model of that name (LookupError)
├── ModelLoadingError         a model that was not in memory in time
├── ModelRefusedError         a file that was to be loaded cannot be served
├── UnauthorizedError         no key
├── ForbiddenError            a wrong key, or a closed route (PermissionError)
├── BodyTooLargeError         more bytes than a request may have
├── BodyTooSlowError          the body did not arrive in time (TimeoutError)
├── UnsupportedMediaTypeError a body of a kind that is not taken
├── InvalidParameterError     a parameter or field that is wrong (ValueError)
├── InvalidBase64Error        text that should be base64 (ValueError)
├── UrlRefusedError           a URL that is not fetched (PermissionError)
└── UrlFailedError            a URL that gave no image (OSError)
"""

from collections.abc import Iterable
from pathlib import Path

from imgcls_core import ImgclsError


class ServiceError(ImgclsError):
    """Base of the service's own errors."""


class QueueFullError(ServiceError):
    """As much is waiting as may wait; nothing was done for this request.

    Args:
        waiting: what is in the way, as the middle of the sentence.
        retry_after_s: when a place is likely to be free, in whole seconds.
    """

    code = "queue_full"

    def __init__(self, waiting: str, *, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"The service is full: {waiting}. Try again in {retry_after_s} s.")


class NotReadyError(ServiceError):
    """The service cannot answer now; the reason is one whole sentence."""

    code = "not_ready"
    retry_after_s = 1

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class DeadlinePassedError(ServiceError, TimeoutError):
    """The time for this request is over."""

    code = "deadline_exceeded"

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        super().__init__(
            f"No answer within {timeout_ms} ms. Try again, or allow more time with the header `X-Request-Timeout-Ms`."
        )


class CallerGoneError(ServiceError):
    """The caller hung up before the answer."""

    code = "caller_gone"

    def __init__(self) -> None:
        super().__init__("The caller hung up before the answer.")


class UnknownModelError(ServiceError, LookupError):
    """There is no model of that name."""

    code = "unknown_model"

    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        self.name = name
        names = ", ".join(repr(one) for one in sorted(known)) or "none"
        super().__init__(f"There is no model {name!r}; loaded: {names}.")


class ModelLoadingError(ServiceError):
    """A model that is not in memory is being loaded, or waits for room; this request has not waited long enough.

    Args:
        name: of the model.
        retry_after_s: when it is likely to be there, in whole seconds.
    """

    code = "model_loading"

    def __init__(self, name: str, *, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"Model {name!r} is not in memory and is being loaded. Try again in {retry_after_s} s.")


class ModelRefusedError(ServiceError):
    """A file that was to be loaded cannot be served; nothing has changed.

    Args:
        name: of the model.
        cause: what core says of the file.
        file: the file; its folder is left out of the sentence.
    """

    code = "model_refused"

    def __init__(self, name: str, cause: ImgclsError, file: Path) -> None:
        self.name, self.cause = name, cause
        reason = str(cause).replace(str(file), file.name).replace(f"{file.parent}/", "")
        super().__init__(f"Model {name!r} was not loaded and nothing has changed: {reason}")


class UnauthorizedError(ServiceError):
    """A key is needed and none was sent."""

    code = "unauthorized"

    def __init__(self, kind: str) -> None:
        super().__init__(f"This address needs {kind}; send it as `Authorization: Bearer …` or `X-API-Key: …`.")


class ForbiddenError(ServiceError, PermissionError):
    """The key that was sent does not open this address; the message is one sentence."""

    code = "forbidden"


class BodyTooLargeError(ServiceError):
    """The body has more bytes than a request of its kind may have."""

    code = "body_too_large"

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The body has more than the {limit:,} bytes that are allowed here. Send a smaller image.")


class BodyTooSlowError(ServiceError, TimeoutError):
    """The body did not arrive before the request's deadline."""

    code = "body_too_slow"

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        super().__init__(
            f"The body did not arrive within {timeout_ms} ms. Send it faster, or allow more time with the header "
            "`X-Request-Timeout-Ms`."
        )


class UnsupportedMediaTypeError(ServiceError):
    """The body is of a kind that is not taken."""

    code = "unsupported_media_type"

    def __init__(self, found: str, *, allowed: str) -> None:
        super().__init__(f"The body has the media type {found!r}; allowed: {allowed}.")


class InvalidParameterError(ServiceError, ValueError):
    """A parameter, header or field is wrong; the message is one sentence that says what is allowed."""

    code = "invalid_parameter"


class InvalidBase64Error(ServiceError, ValueError):
    """A field that should hold base64 does not."""

    code = "invalid_base64"

    def __init__(self, field: str) -> None:
        super().__init__(
            f"`{field}` is not base64 (standard alphabet, padded, without line breaks). `base64 -w0 FILE` makes it."
        )


class UrlRefusedError(ServiceError, PermissionError):
    """A URL that is not fetched."""

    code = "url_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"`image_url` is not fetched: {reason}.")


class UrlFailedError(ServiceError, OSError):
    """A URL that gave no image."""

    code = "url_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"`image_url` cannot be fetched: {reason}.")
