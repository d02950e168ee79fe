"""Make the small images that the suite sends; run it from the workspace, which has Pillow.

```console
$ uv run python packages/imgcls-client/scripts/make_suite_images.py
```

Pairs that must get the same answer are made from the same pixels here, so that the suite itself needs no decoder.
"""

import io
import math
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

TARGET = Path(__file__).parents[1] / "src" / "imgcls_client" / "data" / "images"
SIZE_PX = (160, 128)  # multiples of 16, so that a turned JPEG has the same blocks as the upright one
BOMB_SIDE_PX = 20_000


def draw_image() -> Image.Image:
    """Draw a colourful scene without any symmetry: sky, sun, hill, a striped thing and fine texture."""
    width, height = SIZE_PX
    noise = random.Random(20)  # noqa: S311 - the same grain every time
    image = Image.new("RGB", SIZE_PX)
    for y in range(height):
        for x in range(width):
            grain = noise.randrange(-12, 13)
            red = int(40 + 60 * y / height + 30 * math.sin(x / 9)) + grain
            green = int(110 + 50 * math.sin((x + 2 * y) / 17)) + grain
            blue = int(225 - 120 * y / height) + grain
            image.putpixel((x, y), tuple(max(0, min(255, value)) for value in (red, green, blue)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((108, 8, 146, 46), fill=(250, 190, 30))
    draw.polygon([(0, 128), (0, 84), (52, 62), (96, 100), (160, 92), (160, 128)], fill=(30, 110, 40))
    for stripe in range(7):
        draw.rectangle((22 + 6 * stripe, 40, 24 + 6 * stripe, 104), fill=(200, 30 + 20 * stripe, 40))
    return image


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def with_hole(image: Image.Image) -> Image.Image:
    """Make a disc of the image fully transparent."""
    mask = Image.new("L", image.size, 255)
    ImageDraw.Draw(mask).ellipse((40, 20, 120, 100), fill=0)
    return Image.merge("RGBA", (*image.split(), mask))


def over_white(image: Image.Image) -> Image.Image:
    """Flatten transparency over white."""
    flat = Image.new("RGBA", image.size, (255, 255, 255, 255))
    flat.alpha_composite(image)
    return flat.convert("RGB")


def deep_gray(gray: Image.Image) -> Image.Image:
    """Widen 8 bits to 16 (v × 257), which narrows back to the same 8 bits by shift and by division alike."""
    wide = b"".join((value * 257).to_bytes(2, "little") for value in gray.tobytes())
    return Image.frombytes("I;16", gray.size, wide)


def main() -> None:
    """Write every image of the suite."""
    image = draw_image()
    gray = image.convert("L")
    hole = with_hole(image)
    few_colours = image.quantize(64)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90° clockwise to see it upright
    turned = image.transpose(Image.Transpose.ROTATE_90)
    cmyk = encoded(image.convert("CMYK"), "JPEG", quality=95)
    files = {
        "image.png": encoded(image, "PNG", optimize=True),
        "image.webp": encoded(image, "WEBP", lossless=True),
        "image.bmp": encoded(image, "BMP"),
        "image.tiff": encoded(image, "TIFF", compression="tiff_adobe_deflate"),
        "image.jpg": encoded(image, "JPEG", quality=95, subsampling=0),
        "upright.jpg": encoded(image, "JPEG", quality=100, subsampling=0),
        "turned.jpg": encoded(turned, "JPEG", quality=100, subsampling=0, exif=exif),
        "turned_untagged.jpg": encoded(turned, "JPEG", quality=100, subsampling=0),
        "gray.png": encoded(gray, "PNG", optimize=True),
        "gray_as_rgb.png": encoded(gray.convert("RGB"), "PNG", optimize=True),
        "gray_16_bit.png": encoded(deep_gray(gray), "PNG"),
        "cmyk.jpg": cmyk,
        "cmyk_as_rgb.png": encoded(Image.open(io.BytesIO(cmyk)).convert("RGB"), "PNG", optimize=True),
        "transparent.png": encoded(hole, "PNG", optimize=True),
        "transparent_over_white.png": encoded(over_white(hole), "PNG", optimize=True),
        "animated.gif": encoded(few_colours, "GIF", save_all=True, append_images=[gray.quantize(64)], duration=100),
        "first_frame.png": encoded(few_colours.convert("RGB"), "PNG", optimize=True),
        "one_pixel.png": encoded(Image.new("RGB", (1, 1), (200, 60, 20)), "PNG"),
        "huge_dimensions.png": encoded(Image.new("1", (BOMB_SIDE_PX, BOMB_SIDE_PX)), "PNG", compress_level=9),
    }
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
        sys.stdout.write(f"{len(content):>7,} bytes  {name}\n")


if __name__ == "__main__":
    main()
