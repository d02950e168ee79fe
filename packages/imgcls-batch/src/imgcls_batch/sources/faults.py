"""Why the bytes of one image are not to be had: a row tells it, with the code that the HTTP contract has for it.

UnreadableImageError
├── ImageNotFoundError    not_found            there is nothing
├── ImageLateError        deadline_exceeded    no bytes in time
├── ImageFetchError       url_failed           the store or server fails, also when asked again
└── WorkerDiedError       internal_error       whatever works on it dies
"""

from __future__ import annotations

from imgcls_core.errors import ImgclsError


class UnreadableImageError(ImgclsError):
    """Base of them; the text is the row's `detail`."""

    code = "url_failed"


class ImageNotFoundError(UnreadableImageError):
    """There is nothing at the address."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.")


class ImageLateError(UnreadableImageError):
    """The bytes did not arrive in time."""

    code = "deadline_exceeded"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"No answer within {timeout_s * 1000:.0f} ms. Try again, or allow more time with --timeout.")


class ImageFetchError(UnreadableImageError):
    """The bytes cannot be had.

    Args:
        reason: what was found, as the end of the sentence "The image cannot be fetched: …".
    """

    code = "url_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The image cannot be fetched: {reason}.")


class WorkerDiedError(UnreadableImageError):
    """The process that works on the image dies, again and again."""

    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("The worker died on this image again and again, so it was left out. Please report the image.")
