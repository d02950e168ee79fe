"""What people send that Pillow itself does not read: HEIC where an extra is installed, a sentence for the rest."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Final

from PIL import Image

from imgcls_core.errors import ImageUndecodableError

_HEIC: Final = rb"....ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)"

# A JPEG or PNG without its zeros and line ends.
_STRIPPED: Final = re.compile(rb"\xff\xd8\xff[\xe0-\xef].?(JFIF|Exif)[^\x00]|\x89PNG\x1a", re.DOTALL)

# By how it begins.
_OTHERS: Final = {
    _HEIC: "HEIC, as phones of Apple store photos, which needs the extra `imgcls-core[heic]` where it is decoded",
    rb"....ftyp|....moov|\x1aE\xdf\xa3|RIFF....AVI ": "a video",
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": "JPEG XL",
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": "JPEG 2000",
    rb"%PDF-": "a PDF document",
    rb"8BPS": "a Photoshop document",
    rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!": "an archive",
    rb"\s*(<\?xml[^>]*>\s*)?<svg": "SVG, which has no pixels",
    rb"\s*(<!doctype html|<html)|\s*<!DOCTYPE html": "a web page",
    rb"\s*[\[{]": "JSON",
    rb"\x00\x00\x01\x00": "an icon",
}


def check_not_stripped(encoded: bytes | bytearray | memoryview) -> None:
    """Raises if bytes were taken out on the way; of a JPEG so much may be left that it is opened.

    Raises:
        ImageUndecodableError: they were.
    """
    if _STRIPPED.match(encoded):
        raise ImageUndecodableError("bytes are missing, as `curl -d` takes them out; send it with `curl --data-binary`")


def open_other(encoded: bytes | bytearray | memoryview, formats: Sequence[str]) -> Image.Image:
    """Opens a file that is none of the formats, as Pillow opens one that is: its size is known, no pixel decoded.

    Raises:
        ImageUndecodableError: it is nothing that is read here; says what it is, where that can be told.
    """
    head = bytes(encoded[:64])
    if re.match(_HEIC, head, re.DOTALL) and _reads_heic():
        return Image.open(io.BytesIO(encoded), formats=["HEIF"])
    kind = next((kind for begins, kind in _OTHERS.items() if re.match(begins, head, re.DOTALL)), None)
    found = f"it is {kind}; convert it to one of" if kind else "it is none of"
    raise ImageUndecodableError(f"{found} {', '.join(formats)}{'' if kind else ', or its header is damaged'}")


def _reads_heic() -> bool:
    try:
        import pillow_heif  # noqa: PLC0415 - an extra, which nobody loads who gets no such image
    except ModuleNotFoundError:
        return False
    pillow_heif.options.DECODE_THREADS = 1  # what bounds the work counts one processor
    pillow_heif.register_heif_opener(thumbnails=False)  # pyright: ignore[reportUnknownMemberType]
    return True
