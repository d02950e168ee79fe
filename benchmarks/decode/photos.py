"""Large photos for the benchmarks, made of small ones: what a camera would have written, but for its finest detail."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

LONG_SIDE_PX = 4000


def large_photo(file: Path, seed: int = 0, *, long_side_px: int = LONG_SIDE_PX, **options: object) -> bytes:
    """Enlarges a photo with Lanczos, adds grain as a sensor does, and writes it as JPEG.

    Args:
        file: the photo.
        seed: of the grain.
        long_side_px: of the result.
        options: of Pillow's JPEG encoder; quality 88 where they say none.
    """
    with Image.open(file) as image:
        scale = long_side_px / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        enlarged = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    # One byte a subpixel, in rows: whole images of floats would take a gigabyte.
    grain = np.random.default_rng(seed)
    pixels = np.array(enlarged)
    for row in pixels:
        noise = grain.normal(0, 4, row.shape)
        row[:] = (row + noise).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 88, **options})
    return buffer.getvalue()


def processor() -> str:
    """Gives the processor's name as Linux has it, and which units for small integers and matrices it has."""
    lines = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    units = [
        name for name in ("avx2", "avx512_vnni", "avx_vnni", "amx_tile") if name in fields.get("flags", "").split()
    ]
    family = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
    return f"{fields.get('model name', 'unknown')} ({family}; {', '.join(units)})"
