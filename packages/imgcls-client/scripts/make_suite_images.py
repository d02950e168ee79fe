"""Make the small images that the suite sends; run it from the workspace, which has Pillow.

```console
$ uv run python packages/imgcls-client/scripts/make_suite_images.py
```

Pairs that must get the same answer are made from the same pixels here, so that the suite itself needs no decoder.
"""

import io
import math
import random
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, ImageOps

TARGET = Path(__file__).parents[1] / "src" / "imgcls_client" / "data" / "images"
SIZE_PX = (160, 128)  # multiples of 16, so that a turned JPEG has the same blocks as the upright one
SMALL_PX = (64, 48)
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
    """Widen 8 bits to 16, which narrow back to the same 8 bits by shift and by division alike.

    The low byte is 64 off, so that a reader who takes it for the level sees another image.
    """
    levels = (value * 257 + (64 if value < 128 else -64) for value in gray.tobytes())
    wide = b"".join(level.to_bytes(2, "little") for level in levels)
    return Image.frombytes("I;16", gray.size, wide)


def turned_back(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image so that a reader who honours the EXIF orientation sees it as it was."""
    way = Image.Transpose
    back = {
        2: way.FLIP_LEFT_RIGHT,
        3: way.ROTATE_180,
        4: way.FLIP_TOP_BOTTOM,
        5: way.TRANSPOSE,
        6: way.ROTATE_90,
        7: way.TRANSVERSE,
        8: way.ROTATE_270,
    }
    return image.transpose(back[orientation]) if orientation in back else image


def interlaced(image: Image.Image) -> bytes:
    """Encode as PNG in the seven passes of Adam7, which Pillow reads and does not write."""
    width, height = image.size
    pixels = image.tobytes()
    lines = bytearray()
    for x0, y0, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for y in range(y0, height, dy):
            row = (pixels[3 * (y * width + x) : 3 * (y * width + x) + 3] for x in range(x0, width, dx))
            lines += b"\0" + b"".join(row)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(lines), 9)), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def as_png(encoded_image: bytes) -> bytes:
    """Give the pixels that Pillow sees, as PNG."""
    return encoded(Image.open(io.BytesIO(encoded_image)).convert("RGB"), "PNG", optimize=True)


def small_kinds(image: Image.Image) -> dict[str, bytes]:
    """Make every kind of file that people send, and beside it, as PNG, what it must look like."""
    small = image.resize(SMALL_PX, Image.Resampling.LANCZOS)
    gray = small.convert("L")
    few = small.quantize(32)
    mask = Image.new("L", small.size, 255)
    ImageDraw.Draw(mask).ellipse((16, 8, 48, 40), fill=0)
    hole = Image.merge("RGBA", (*small.split(), mask))
    few_with_hole = few.copy()
    few_with_hole.paste(31, mask=Image.eval(mask, lambda value: 255 - value))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    cmyk = encoded(small.convert("CMYK"), "JPEG", quality=95)
    # Adobe's marker ends with how the channels are to be read: 0 as CMYK, 2 as YCCK.
    place = cmyk.index(b"Adobe") + 11
    ycck = cmyk[:place] + b"\2" + cmyk[place + 1 :]
    jpegs = {
        "jpeg_444.jpg": encoded(small, "JPEG", quality=95, subsampling=0),
        "jpeg_422.jpg": encoded(small, "JPEG", quality=95, subsampling=1),
        "jpeg_420.jpg": encoded(small, "JPEG", quality=95, subsampling=2),
        "progressive.jpg": encoded(small, "JPEG", quality=95, progressive=True),
        "gray.jpg": encoded(gray, "JPEG", quality=95),
        "cmyk.jpg": cmyk,
        "ycck.jpg": ycck,
        "profile.jpg": encoded(small, "JPEG", quality=95, icc_profile=profile),
        "lossy.webp": encoded(small, "WEBP", quality=90),
    }
    files = {**jpegs, **{f"{name}.png": as_png(content) for name, content in jpegs.items()}}
    files |= {
        "small.png": encoded(small, "PNG", optimize=True),
        "profile.png": encoded(small, "PNG", icc_profile=profile),
        "palette.png": encoded(few, "PNG"),
        "palette.png.png": encoded(few.convert("RGB"), "PNG", optimize=True),
        "palette_with_hole.png": encoded(few_with_hole, "PNG", transparency=31),
        "interlaced.png": interlaced(small),
        "gray.png": encoded(gray, "PNG", optimize=True),
        "gray.png.png": encoded(gray.convert("RGB"), "PNG", optimize=True),
        "gray_16_bit.png": encoded(deep_gray(gray), "PNG"),
        "gray_with_hole.png": encoded(Image.merge("LA", (gray, mask)), "PNG", optimize=True),
        "hole.png": encoded(hole, "PNG", optimize=True),
        "hole.png.png": encoded(over_white(hole), "PNG", optimize=True),
        "hole.webp": encoded(hole, "WEBP", lossless=True, exact=True),
        "lossless.webp": encoded(small, "WEBP", lossless=True),
        "animated.gif": encoded(few, "GIF", save_all=True, append_images=[gray.quantize(32)], duration=100),
        "animated.webp": encoded(small, "WEBP", save_all=True, append_images=[gray.convert("RGB")], lossless=True),
        "animated.png": encoded(small, "PNG", save_all=True, append_images=[gray.convert("RGB")], duration=100),
        "wide_strip.webp": encoded(small.crop((0, 20, 64, 21)), "WEBP", lossless=True),
        "wide_strip.webp.png": encoded(small.crop((0, 20, 64, 21)), "PNG"),
        "tall_strip.webp": encoded(small.crop((20, 0, 21, 48)), "WEBP", lossless=True),
        "tall_strip.webp.png": encoded(small.crop((20, 0, 21, 48)), "PNG"),
        "pixel.webp": encoded(small.crop((30, 20, 31, 21)), "WEBP", lossless=True),
        "pixel.webp.png": encoded(small.crop((30, 20, 31, 21)), "PNG"),
    }
    la = Image.open(io.BytesIO(files["gray_with_hole.png"])).convert("RGBA")
    files["gray_with_hole.png.png"] = encoded(over_white(la), "PNG", optimize=True)
    palette = Image.open(io.BytesIO(files["palette_with_hole.png"])).convert("RGBA")
    files["palette_with_hole.png.png"] = encoded(over_white(palette), "PNG", optimize=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = turned_back(small, orientation)
        files[f"exif_{orientation}.jpg"] = encoded(turned, "JPEG", quality=98, subsampling=0, exif=exif)
        files[f"exif_{orientation}.png"] = encoded(turned, "PNG", optimize=True, exif=exif)
        files[f"exif_{orientation}.webp"] = encoded(turned, "WEBP", lossless=True, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(files[f"exif_{orientation}.jpg"])))
        assert upright.size == small.size  # noqa: S101 - the table above is right
        files[f"exif_{orientation}.jpg.png"] = encoded(upright, "PNG", optimize=True)
    return files


def main() -> None:
    """Write every image of the suite."""
    image = draw_image()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    files = {
        "image.png": encoded(image, "PNG", optimize=True),
        "image.webp": encoded(image, "WEBP", lossless=True),
        "image.bmp": encoded(image, "BMP"),
        "image.tiff": encoded(image, "TIFF", compression="tiff_adobe_deflate"),
        "image.jpg": encoded(image, "JPEG", quality=95, subsampling=0),
        "turned_untagged.jpg": encoded(turned, "JPEG", quality=100, subsampling=0),
        "one_pixel.png": encoded(Image.new("RGB", (1, 1), (200, 60, 20)), "PNG"),
        "huge_dimensions.png": encoded(Image.new("1", (BOMB_SIDE_PX, BOMB_SIDE_PX)), "PNG", compress_level=9),
    }
    files |= {f"kinds/{name}": content for name, content in small_kinds(image).items()}
    (TARGET / "kinds").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
        sys.stdout.write(f"{len(content):>7,} bytes  {name}\n")


if __name__ == "__main__":
    main()
