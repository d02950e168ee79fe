"""Bulk classification beside the service: the same files get the same answers, codes and sentences."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from hostile_images import IMAGES
from imgcls_testing.service import RunningService
from PIL import Image

# Decoding would take many times a second, in Python and in C.
COSTLY = ("bmp_of_short_lines", "jpeg_of_many_scans")


def damaged(content: bytes) -> dict[str, bytes]:
    """What is wrong with images in the wild."""
    wide, float_tiff = io.BytesIO(), io.BytesIO()
    Image.new("1", (9_000, 6_000)).save(wide, "PNG")
    Image.new("F", (20, 20)).save(float_tiff, "TIFF")
    return {
        **{f"{name}.jpg": IMAGES[name]() for name in COSTLY},
        "cut.jpg": content[: len(content) // 2],
        "empty.jpg": b"",
        "flipped.jpg": content[:200] + bytes(50) + content[250:],
        "float.tif": float_tiff.getvalue(),
        "header.png": b"\x89PNG\r\n\x1a\n",
        "heavy.jpg": content + bytes(20_000_000),
        "page.jpg": b"<html>not found</html>",
        "wide.png": wide.getvalue(),
    }


@pytest.fixture
def folder(encode: Callable[..., bytes], tmp_path: Path) -> Path:
    """Good images of several formats and modes, and damaged ones."""
    root = tmp_path / "images"
    root.mkdir()
    noise = Image.effect_noise((200, 120), 60)
    red = Image.merge("RGB", (noise, Image.new("L", noise.size), Image.new("L", noise.size)))
    turned = Image.Exif()
    turned[0x0112] = 6
    good = {
        "cmyk.jpg": encode(red.convert("CMYK"), "JPEG"),
        "grey.png": encode(noise),
        "palette.gif": encode(red.convert("P"), "GIF"),
        "red.webp": encode(red, "WEBP"),
        "turned.jpg": encode(red, "JPEG", exif=turned),
    }
    for name, content in {**good, **damaged(encode(red, "JPEG"))}.items():
        (root / name).write_bytes(content)
    return root


def answers_of(service: RunningService, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the service says of a few images; it refuses when many wait that may be costly."""
    files = [("file", (Path(row["uri"]).name, Path(row["uri"]).read_bytes())) for row in rows]
    reply = service.client.post(
        "/predict/batch",
        files=files,
        params={"probabilities": "true"},
        headers={"x-request-timeout-ms": "60000"},
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


def test_a_row_says_what_the_service_answers_for_the_same_bytes(
    imgcls, start_service, colours_path: Path, folder: Path, tmp_path: Path
) -> None:
    options = ("--probabilities", "float32", "--workers", "1", "--no-report")
    done = imgcls("batch", "run", folder, tmp_path / "rows", "--model", colours_path, *options)
    assert done.returncode == 0, done.stderr
    rows = ds.dataset(tmp_path / "rows", format="parquet").to_table().sort_by("id").to_pylist()
    assert [Path(row["uri"]).name for row in rows] == sorted(path.name for path in folder.iterdir())
    with start_service(model=colours_path) as service:
        answers = [answer for at in range(0, len(rows), 5) for answer in answers_of(service, rows[at : at + 5])]
    for row, answer in zip(rows, answers, strict=True):
        if row["code"] is not None:
            assert (row["code"], row["detail"]) == (answer["error"]["code"], answer["error"]["detail"]), row["uri"]
            continue
        assert (row["class_id"], row["label"]) == (answer["class_id"], answer["label"])
        assert [one["label"] for one in row["top"]] == [one["label"] for one in answer["top"]]
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)
    assert {row["code"] for row in rows} == {None, "image_undecodable", "image_too_costly", "image_too_large"}
