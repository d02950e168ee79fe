"""Is every kind of image that people send seen as it looks?

The answer must be that of the same pixels as a plain PNG, and with the user's artifact also its answer for what Pillow
sees in the file.
"""

from __future__ import annotations

from imgcls_client.suite.check import CheckGroup, CheckSkippedError, Run, require
from imgcls_client.suite.checks.comparison import (
    NEARLY_SAME_PIXELS_TOLERANCE,
    SAME_PIXELS_TOLERANCE,
    shorten,
    vector_difference,
    whole,
)
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("images")
# file → the PNG of the same pixels; where none is named it is the file's own name and `.png`
_BASE = "small.png"
_KINDS: dict[str, tuple[str, dict[str, str | None]]] = {
    "jpeg_sampling": (
        "JPEG with full, half and quarter colour is seen alike.",
        {"jpeg_444.jpg": None, "jpeg_422.jpg": None, "jpeg_420.jpg": None},
    ),
    "jpeg_progressive": ("A progressive JPEG is seen as it looks.", {"progressive.jpg": None}),
    "jpeg_gray": ("A gray JPEG is seen as gray.", {"gray.jpg": None}),
    "jpeg_cmyk": ("A CMYK JPEG is not seen as a negative.", {"cmyk.jpg": None}),
    "jpeg_ycck": ("A YCCK JPEG is seen as it looks.", {"ycck.jpg": None}),
    "profile": ("A colour profile changes no answer.", {"profile.jpg": None, "profile.png": _BASE}),
    "exif_jpeg": (
        "A phone's photo is seen upright, whichever of the eight ways it was held.",
        {f"exif_{way}.jpg": None for way in range(1, 9)},
    ),
    "exif_png": ("So is a PNG.", {f"exif_{way}.png": _BASE for way in range(1, 9)}),
    "exif_webp": ("So is a WebP.", {f"exif_{way}.webp": _BASE for way in range(1, 9)}),
    "png_palette": ("A PNG with a palette has the palette's colours.", {"palette.png": None}),
    "png_palette_alpha": ("Transparency in a palette becomes white.", {"palette_with_hole.png": None}),
    "png_gray": ("A gray PNG is seen as gray.", {"gray.png": None}),
    "png_gray_alpha": ("Transparency in a gray PNG becomes white.", {"gray_with_hole.png": None}),
    "png_16_bit": ("Of 16 bits the high byte is seen.", {"gray_16_bit.png": "gray.png.png"}),
    "png_interlaced": ("An interlaced PNG is seen as it looks.", {"interlaced.png": _BASE}),
    "transparency": ("What is transparent becomes white.", {"hole.png": None, "hole.webp": "hole.png.png"}),
    "webp": ("WebP is seen as it looks, lossless and lossy.", {"lossless.webp": _BASE, "lossy.webp": None}),
    "animated": (
        "Of an animation the first frame is seen.",
        {"animated.gif": "palette.png.png", "animated.webp": _BASE, "animated.png": _BASE},
    ),
    "single_pixel": ("A single pixel gets an answer.", {"pixel.webp": None}),
    "thin_strips": ("Thin strips are seen as they are.", {"wide_strip.webp": None, "tall_strip.webp": None}),
}


def _kind(files: dict[str, str | None]) -> Run:
    def run(deployment: Deployment) -> str:
        differences: dict[str, tuple[float, float]] = {}
        for name, counterpart in files.items():
            image = packaged_image(f"kinds/{name}")
            actual = whole(deployment.vector(image))
            plain = whole(deployment.vector(packaged_image(f"kinds/{counterpart or f'{name}.png'}")))
            is_lossy = name.endswith(".jpg") or name == "lossy.webp"
            allowed = NEARLY_SAME_PIXELS_TOLERANCE if is_lossy else SAME_PIXELS_TOLERANCE
            differences[f"{name} beside a plain PNG"] = (vector_difference(actual, plain), allowed)
            if deployment.truth is not None:
                expected = deployment.truth.vector(image)
                differences[name] = (vector_difference(actual, expected), deployment.artifact_tolerance)
        return _judged(differences)

    return run


def _judged(differences: dict[str, tuple[float, float]]) -> str:
    wrong = [
        f"{name}: {found:.2g}, allowed {most:g}" for name, (found, most) in differences.items() if not found <= most
    ]
    require(
        not wrong,
        f"{len(wrong)} of {len(differences)} comparisons show another answer than there should be: {shorten(wrong)}",
    )
    return f"{len(differences)} comparisons, max |Δp| {max(found for found, _ in differences.values()):.1g}"


@GROUP.check("The same pixels as PNG, WebP, BMP and TIFF get the same answer.")
def _formats(deployment: Deployment) -> str:
    """Sends the same pixels as PNG, WebP, BMP and TIFF; nearly the same as JPEG, whose answer the artifact knows."""
    expected = whole(deployment.vector(packaged_image("image.png")))
    differences: dict[str, tuple[float, float]] = {}
    for name in ("image.webp", "image.bmp", "image.tiff", "image.jpg"):
        answer = whole(deployment.vector(packaged_image(name)))
        if deployment.truth is not None:
            own = deployment.truth.vector(packaged_image(name))
            differences[name] = (vector_difference(answer, own), deployment.artifact_tolerance)
        elif name != "image.jpg":
            differences[name] = (vector_difference(answer, expected), SAME_PIXELS_TOLERANCE)
    return _judged(differences)


for _name, (_proves, _files) in _KINDS.items():
    GROUP.add(_name, _proves, _kind(_files))


@GROUP.check("Above 1024 px and with 12 megapixels the whole image is seen.")
def _large(deployment: Deployment) -> str:
    """Sends images of the sizes that cameras make, which a service may be tempted to decode at a reduced scale."""
    if deployment.truth is None:
        raise CheckSkippedError("no --artifact given, so nobody knows the answers for large images")
    return _judged(
        {
            name: (
                vector_difference(whole(deployment.vector(image)), deployment.truth.vector(image)),
                deployment.artifact_tolerance,
            )
            for name, image in deployment.truth.large_images()
        }
    )
