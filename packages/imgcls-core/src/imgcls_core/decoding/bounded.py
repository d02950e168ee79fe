"""Decoding in bounded time and memory, for callers that wait for one image at a time."""

from __future__ import annotations

from imgcls_core.decoding.isolated import IsolatedDecoder
from imgcls_core.images.header import ordinary_pixels
from imgcls_core.images.preprocess import ImagePreprocessor, PreparedImage


class BoundedDecoder:
    """Decodes ordinary images at once, and the others in a process that can be ended. For one thread.

    Args:
        preprocessor: says how, and within which limits.
    """

    def __init__(self, preprocessor: ImagePreprocessor) -> None:
        self._preprocessor = preprocessor
        self._isolated = IsolatedDecoder()

    def prepare(self, encoded: bytes) -> PreparedImage:
        """Decodes and shrinks one image.

        Raises:
            ImageError: it cannot be decoded, is too large, or takes too much work.
        """
        if ordinary_pixels(encoded) is not None:
            return self._preprocessor.prepare(encoded)
        prepared = self._isolated.prepare(self._preprocessor, encoded, lambda: True)
        assert prepared is not None  # noqa: S101 - it is wanted
        return prepared
