"""What can go wrong between a caller and a deployment.

```text
ImgclsClientError
├── SettingsError (ValueError)             exit 2   an address, key or option that cannot be used
├── ImageSourceError (OSError)             exit 1   an image that cannot be read on this side
├── UnreachableError (ConnectionError)     exit 3   no connection, or it broke
├── AnswerTimeoutError (TimeoutError)      exit 3   connected, but no answer in time
├── UnexpectedAnswerError (ValueError)     exit 4   an answer that is not imgcls'
└── RefusedError                           exit 4   the service said no: `status`, `code`, `request_id`
    ├── ImageRefusedError                  400 413 415
    ├── ParameterRefusedError              422
    ├── AccessDeniedError                  401 403
    ├── NotFoundError                      404
    ├── UnavailableError                   502 503, with `retry_after_s`
    ├── DeadlineExceededError (TimeoutError) 504
    └── ServiceFaultError                  every other status of 500 and above
```
"""

from __future__ import annotations

from typing import ClassVar


class ImgclsClientError(Exception):
    """Base of everything this package raises on purpose.

    Attributes:
        code: stable snake_case name of the kind of failure.
        exit_code: what a command ends with when this is the reason.
    """

    code: str = "client_error"
    exit_code: ClassVar[int] = 70

    @property
    def brief(self) -> str:
        """What happened, without advice and without what a record has in columns of its own."""
        return str(self)


class SettingsError(ImgclsClientError, ValueError):
    """A setting, option or file of settings cannot be used as it stands."""

    code = "bad_setting"
    exit_code: ClassVar[int] = 2


class ImageSourceError(ImgclsClientError, OSError):
    """An image could not be read on this side, before anything was sent; `source` is as the caller wrote it."""

    code = "image_unreadable"
    exit_code: ClassVar[int] = 1

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason = source, reason


class UnreachableError(ImgclsClientError, ConnectionError):
    """There is no connection to the service at `url`, or it broke before an answer came."""

    code = "unreachable"
    exit_code: ClassVar[int] = 3

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"No answer from {url}: {reason}. Start the service there (`imgcls-serve --model FILE`) "
            "or name another with --url or IMGCLS_URL."
        )
        self.url, self.reason = url, reason

    @property
    def brief(self) -> str:
        """What the network said."""
        return self.reason


class UnknownHostError(UnreachableError):
    """There is no host of this name."""


class AnswerTimeoutError(ImgclsClientError, TimeoutError):
    """The service was reached and did not answer `call` within `waited_s` seconds."""

    code = "answer_timeout"
    exit_code: ClassVar[int] = 3

    def __init__(self, url: str, waited_s: float, *, call: str = "a call") -> None:
        super().__init__(
            f"{url} did not answer {call} within {waited_s:g} s. Allow more with --timeout "
            "(--cold-start-timeout for the first call)."
        )
        self.url, self.waited_s, self.call = url, waited_s, call

    @property
    def brief(self) -> str:
        """How long the client waited."""
        return f"no answer to {self.call} within {self.waited_s:g} s"


class UnexpectedAnswerError(ImgclsClientError, ValueError):
    """The answer is not what an imgcls service sends; `what` was wrong with it, in a sentence."""

    code = "unexpected_answer"
    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(f"{what} Is this the address of an imgcls service?")
        self.what, self.status, self.request_id = what, status, request_id


class RefusedError(ImgclsClientError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        code: the service's stable name of the problem, such as `image_undecodable`.
        detail: the service's sentence.
        request_id: for finding the call in the service's log.
        retry_after_s: seconds to wait before trying again, where the service said so.
    """

    code = "refused"
    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        known_as = f" (request id {request_id})" if request_id else ""
        key = " Its key is said with --api-key or IMGCLS_API_KEY." if code in {"unauthorized", "forbidden"} else ""
        super().__init__(f"The service answered {status} {code}: {detail.rstrip('.')}{known_as}.{key}")
        self.status, self.code, self.detail = status, code, detail
        self.request_id, self.retry_after_s = request_id, retry_after_s

    @property
    def brief(self) -> str:
        """The service's sentence."""
        return f"{self.status} {self.detail}"


class ImageRefusedError(RefusedError):
    """This image is not acceptable: undecodable, too large, or of an unknown media type."""


class ParameterRefusedError(RefusedError):
    """A parameter of the call is wrong."""


class AccessDeniedError(RefusedError):
    """The key is missing or wrong, or does not open this route."""


class NotFoundError(RefusedError):
    """No such route or model."""


class UnavailableError(RefusedError):
    """The service cannot take the call now: starting, draining or full."""


class DeadlineExceededError(RefusedError, TimeoutError):
    """The service gave up on the call because its deadline passed."""


class ServiceFaultError(RefusedError):
    """The service failed; its log has the trace under the request id."""
