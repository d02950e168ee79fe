from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from imgcls_testing.commands import Outcome, runner_of
from imgcls_testing.images import colour_image
from imgcls_testing.made_once import filled_folder
from PIL import Image


def test_a_commands_outcome_is_what_a_user_sees() -> None:
    def main(arguments: Sequence[str]) -> NoReturn:
        sys.stdout.write(" ".join(arguments))
        sys.stderr.write("first\nlast\n")
        sys.exit(3)

    outcome = runner_of(main)("predict", Path("a.png"), 5)
    assert outcome == Outcome(3, "predict a.png 5", "first\nlast\n")
    assert outcome.sentence == "last"


def test_the_committed_artifacts_are_found(colours_path: Path, colours_with_reference_path: Path) -> None:
    assert colours_path.is_file()
    assert colours_with_reference_path.is_file()


def test_images_are_encoded(encode: Callable[..., bytes], tmp_path: Path) -> None:
    assert encode(Image.new("RGB", (3, 2)), "BMP").startswith(b"BM")
    file = tmp_path / "red.png"
    file.write_bytes(colour_image("red", size=(4, 3)))
    with Image.open(file) as image:
        assert (image.size, image.getpixel((0, 0))) == ((4, 3), (255, 0, 0))


def test_a_folder_is_filled_once_and_again_where_that_failed(tmp_path: Path) -> None:
    filled: list[Path] = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        if len(filled) == 1:
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - ours
        filled_folder(tmp_path / "once", "a", fill)
    assert filled_folder(tmp_path / "once", "a", fill) == filled_folder(tmp_path / "once", "a", fill)
    assert len(filled) == 2


@pytest.mark.parametrize(("settings", "outcome"), [({}, "1 skipped"), ({"IMGCLS_TEST_DATA": "."}, "1 passed")])
def test_tests_on_real_data_are_skipped_without_it(tmp_path: Path, settings: dict[str, str], outcome: str) -> None:
    (tmp_path / "test_photo.py").write_text("def test_photo(real_data): assert real_data.is_dir()", encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "IMGCLS_TEST_DATA"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean | settings, capture_output=True, text=True, check=False, timeout=60
    )
    assert outcome in done.stdout
