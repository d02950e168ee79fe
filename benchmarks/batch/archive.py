"""Makes a large source, with what is wrong with sources in the wild among it: one image of a hundred has no answer.

    python benchmarks/batch/archive.py IMAGES.tar FOLDER

Writes the images of a tar file, repeated under other names, into `FOLDER/tar/*.tar` (1,000 in each) and
`FOLDER/files`, and `FOLDER/list.csv`, which names these files, some that are not there, and some at an address that
never answers (`kill.py --silent-port`).
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/hostile"))
from hostile_images import bmp_of_short_lines

SILENT_PORT: Final = 18_199
_IN_A_TAR: Final = 1_000


def images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Gives name and content of the images of a tar file, again and again."""
    with tarfile.open(path) as tar:
        found = [(Path(member.name).name, tar.extractfile(member).read()) for member in tar if member.isfile()]  # type: ignore[union-attr]
    return itertools.cycle(found)


def damaged(number: int, content: bytes, wide: bytes, costly: bytes) -> bytes:
    """Gives an image, or what stands in its place."""
    if number % 250 == 0:
        return content[: len(content) // 2]
    if number % 500 == 1:
        return b"<html>not found</html>"
    if number % 400 == 2:
        return wide
    return costly if number % 5_000 == 3 else content


def main() -> None:
    """Writes the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="a tar file")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=100_000)
    arguments = parser.parse_args()
    wide = io.BytesIO()
    Image.new("1", (9_000, 6_000)).save(wide, "PNG")
    source, costly = images(arguments.images), bmp_of_short_lines()
    (arguments.folder / "tar").mkdir(parents=True)
    with (arguments.folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        listed = csv.writer(file)
        listed.writerow(["uri"])
        for first in range(0, arguments.number, _IN_A_TAR):
            part = f"{first // _IN_A_TAR:05}"
            (arguments.folder / "files" / part).mkdir(parents=True)
            with tarfile.open(arguments.folder / "tar" / f"{part}.tar", "w") as tar:
                for number in range(first, min(first + _IN_A_TAR, arguments.number)):
                    name, content = next(source)
                    content = damaged(number, content, wide.getvalue(), costly)
                    path = arguments.folder / "files" / part / f"{number:08}-{name}"
                    member = tarfile.TarInfo(path.name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                    uri = f"http://127.0.0.1:{SILENT_PORT}/{number}.webp" if number % 5_000 == 5 else str(path)
                    listed.writerow([uri])
                    if number % 1_000 != 4:
                        path.write_bytes(content)


if __name__ == "__main__":
    main()
