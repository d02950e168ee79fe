"""Small copies of images, for pages."""

from __future__ import annotations

import io

from imgcls_core.images.decode import DecodeLimits, ImageSource, decode_image


def thumbnail(source: ImageSource, side_px: int) -> bytes:
    """Gives the image as WebP, no side longer than asked for; it is never enlarged.

    Raises:
        ImageError: it cannot be decoded.
    """
    image = decode_image(source, DecodeLimits())
    image.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
