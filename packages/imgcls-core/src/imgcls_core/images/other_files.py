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

_HEAD_BYTES: Final = 4096
_MARKUP: Final = rb"(\xef\xbb\xbf)?\s*+(?>(<\?xml[^>]*>|<!--.*?-->)\s*+)*+"
_RAW: Final = "a camera's raw file"

# By how it begins: what it is, and where it has no pixels what to do instead of converting it.
_OTHERS: Final = {
    _HEIC: "HEIC, as phones of Apple store photos, which needs the extra `imgcls-core[heic]` where it is decoded",
    rb"....ftypcrx |FUJIFILMCCD-RAW|II(RO|RS|U\x00)|MMOR|\x00MRM|FOVb": _RAW,
    # In the structure of a TIFF: Canon's sign, the version of a DNG.
    rb"II\*\x00(.{4}CR\x02|.*\x12\xc6\x01\x00\x04\x00\x00\x00)|MM\x00\*.*\xc6\x12\x00\x01\x00\x00\x00\x04": _RAW,
    rb"(II\*\x00|MM\x00\*).*(NIKON|SONY|PENTAX|SAMSUNG)": "a camera's raw file or a damaged TIFF",
    rb"....ftypavi[fs]": "AVIF, but corrupt or truncated; send it anew",
    rb"....ftyp|....moov|\x1aE\xdf\xa3|RIFF....AVI |FLV|\x00\x00\x01\xba": "a video",
    rb"RIFF....WAVE|ID3|OggS|fLaC": "a sound; send an image",
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": "JPEG XL",
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": "JPEG 2000",
    rb"%PDF-": "a PDF document",
    rb"%!PS|\xc5\xd0\xd3\xc6": "PostScript",
    rb"8BP[SB]": "a Photoshop document",
    rb"PK(\x03\x04|\x05\x06)|\x1f\x8b|7z\xbc\xaf|Rar!|\xfd7zXZ|BZh|\x28\xb5\x2f\xfd|.{257}ustar": (
        "an archive; send the images in it one by one"
    ),
    _MARKUP + rb"<(?i:!DOCTYPE svg|svg)": "SVG, which has no pixels",
    _MARKUP + rb"<(?i:!DOCTYPE html|html|head|body)": "a web page; send the image that it shows",
    rb"(\xef\xbb\xbf)?\s*+<\?xml": "XML; send an image",
    rb"\s*+[\[{]": "JSON; send the image itself",
    rb"\x00\x00[\x01\x02]\x00[^\x00]|icns": "an icon",
    rb"P[1-7]\s|Pf\s": "PPM, PGM or a relative of them",
    rb"v/1\x01|#\?RADIANCE": "an image of high dynamic range (EXR or HDR)",
    rb".{128}DICM": "DICOM",
    rb"DDS ": "DDS",
    rb"qoif": "QOI",
    rb"\x93NUMPY": "a NumPy array",
    rb"\xd0\xcf\x11\xe0": "an office document",
    rb"\x7fELF|MZ|#!": "a program; send an image",
    rb"version https://git-lfs": "a pointer of Git LFS in place of a file; fetch that with `git lfs pull`",
    rb"data:[\w/+.-]*;base64,": "a data URI; send the bytes that it stands for",
    rb"/9j/|iVBORw0KGgo|UklGR": "base64 text; send the bytes that it stands for",
    rb"https?://": "an address; send the image that lies there",
    rb"\xef\xbf\xbd(PNG|\xef\xbf\xbd\xef\xbf\xbd)": "an image that was read as text, which broke it; send its bytes",
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
    head = bytes(encoded[:_HEAD_BYTES])
    if re.match(_HEIC, head, re.DOTALL) and _reads_heic():
        try:
            return Image.open(io.BytesIO(encoded), formats=["HEIF"])
        except Image.UnidentifiedImageError:
            raise ImageUndecodableError("it is HEIC, but corrupt or truncated; send it anew") from None
    raise ImageUndecodableError(_told(head, formats) or f"it is none of {', '.join(formats)}, or its header is damaged")


def check_not_raw(encoded: bytes | bytearray | memoryview, formats: Sequence[str]) -> None:
    """Raises if what looked like a TIFF and could not be decoded is what a camera stores for its maker's program.

    Raises:
        ImageUndecodableError: it is.
    """
    head = bytes(encoded[:_HEAD_BYTES])
    if head.startswith((b"II*\0", b"MM\0*")) and (told := _told(head, formats)):
        raise ImageUndecodableError(told)


def _told(head: bytes, formats: Sequence[str]) -> str | None:
    kind = next((kind for begins, kind in _OTHERS.items() if re.match(begins, head, re.DOTALL)), None)
    if kind is None:
        return None
    return f"it is {kind}" if ";" in kind else f"it is {kind}; convert it to one of {', '.join(formats)}"


def _reads_heic() -> bool:
    try:
        import pillow_heif  # noqa: PLC0415 - an extra, which nobody loads who gets no such image
    except ModuleNotFoundError:
        return False
    pillow_heif.options.DECODE_THREADS = 1  # what bounds the work counts one processor
    pillow_heif.register_heif_opener(thumbnails=False)  # pyright: ignore[reportUnknownMemberType]
    return True
