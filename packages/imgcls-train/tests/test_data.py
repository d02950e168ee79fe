"""`imgcls-train data` as a user types it."""

import json
import re
import shutil
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

RunCli = Callable[..., Any]


def _report(outcome: Any) -> dict[str, Any]:
    return json.loads(outcome.out)


def _codes(report: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


@pytest.mark.parametrize("layout", ["image_folder", "tar_dataset", "cifar100", "cifar10"])
def test_a_sound_dataset_has_no_findings_in_any_layout(
    request: pytest.FixtureRequest, run_cli: RunCli, layout: str
) -> None:
    outcome = run_cli("data", request.getfixturevalue(layout), "--splits", "train,val", "--json", "--strict")
    report = _report(outcome)
    assert (outcome.code, report["findings"], report["duplicates"], report["unreadable"]) == (0, [], [], [])
    assert [(split["name"], split["images"], split["classes"]) for split in report["splits"]] == [
        ("train", 72, 3),
        ("val", 30, 3),
    ]
    assert report["classes"][2] == {"name": "red", "label": "red", "images": {"train": 24, "val": 10}}
    train = report["splits"][0]
    assert train["sizes"] == [{"width": 32, "height": 32, "images": 72}]
    assert train["formats"] == ({"PNG": 72} if layout in {"image_folder", "tar_dataset"} else {"pixels": 72})


def test_the_table_is_on_stdout_and_the_findings_on_stderr(
    image_folder: Path, own_folder: Path, run_cli: RunCli
) -> None:
    sound = run_cli("data", image_folder)
    assert re.search(r"^images +72 +30$", sound.out, re.MULTILINE)
    assert "error" not in sound.err
    shutil.copy(own_folder / "train/red/red_000.png", own_folder / "val/red/copy.png")
    leaking = run_cli("data", own_folder)
    assert leaking.code == 0
    assert re.search(r"^between splits \(leak\) +1 +0$", leaking.out, re.MULTILINE)
    assert "error: 1 image is in more than one split (train/red/red_000.png = val/red/copy.png)." in leaking.err


def test_mean_and_std_are_those_of_the_pixels_as_training_sees_them(image_folder: Path, run_cli: RunCli) -> None:
    """numpy over the files says what they are."""
    pixels = np.stack([np.asarray(Image.open(file)) for file in sorted((image_folder / "train").rglob("*.png"))]) / 255
    colours = _report(run_cli("data", image_folder, "--json"))["splits"][0]["colours"]
    assert colours["images"] == 72
    assert colours["mean"] == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-4)  # written with four digits
    assert colours["std"] == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-4)
    assert [sum(channel) for channel in colours["histogram"]] == pytest.approx([1, 1, 1], abs=1e-3)


def test_large_images_weigh_as_much_as_small_ones_in_the_colours(tmp_path: Path, run_cli: RunCli) -> None:
    for name, level, side in (("a", 255, 10), ("b", 0, 600)):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (side, side), (level, level, level)).save(tmp_path / "train" / name / "1.png")
    colours = _report(run_cli("data", tmp_path, "--json"))["splits"][0]["colours"]
    assert (colours["mean"], colours["std"], colours["max_side_px"]) == ([0.5] * 3, [0.5] * 3, 256)


def _planted(report: dict[str, Any]) -> list[tuple[str, bool, bool, list[str]]]:
    return [
        (group["kind"], group["leak"], group["label_conflict"], [f"{i['split']}/{i['name']}" for i in group["images"]])
        for group in report["duplicates"]
    ]


def test_copies_are_found_within_a_class_across_classes_and_between_splits(own_folder: Path, run_cli: RunCli) -> None:
    shutil.copy(own_folder / "train/red/red_001.png", own_folder / "train/red/again.png")
    shutil.copy(own_folder / "train/red/red_002.png", own_folder / "train/blue/red_002.png")
    shutil.copy(own_folder / "train/green/green_003.png", own_folder / "val/green/leak.png")
    report = _report(run_cli("data", own_folder, "--json"))
    assert _planted(report) == [
        ("exact", False, True, ["train/blue/red_002.png", "train/red/red_002.png"]),
        ("exact", True, False, ["train/green/green_003.png", "val/green/leak.png"]),
        ("exact", False, False, ["train/red/again.png", "train/red/red_001.png"]),
    ]
    assert _codes(report) == ["leak", "label_conflict", "repeated"]


def test_a_resized_and_reencoded_copy_is_found_and_other_images_are_not(
    own_folder: Path, make_image: Callable[..., Image.Image], run_cli: RunCli
) -> None:
    with Image.open(own_folder / "train/red/red_004.png") as image:
        image.resize((24, 24)).save(own_folder / "val/red/smaller.jpg", quality=70)
        image.resize((90, 70)).save(own_folder / "val/red/larger.webp", quality=60)
    report = _report(run_cli("data", own_folder, "--json"))
    assert _planted(report) == [
        ("near", True, False, ["train/red/red_004.png", "val/red/larger.webp", "val/red/smaller.jpg"])
    ]


def test_images_of_one_colour_and_shapes_a_pixel_apart_are_not_taken_for_copies(
    own_folder: Path, run_cli: RunCli
) -> None:
    for i in range(4):
        Image.new("RGB", (32, 32), (250 - i, 250, 250)).save(own_folder / f"train/red/white{i}.png")
        square = Image.new("RGB", (32, 32), (255, 255, 255))
        square.paste((0, 0, 0), (8 + i, 8, 20 + i, 20))
        square.save(own_folder / f"train/red/square{i}.png")
        green = Image.new("RGB", (32, 32), (255, 255, 255))
        green.paste((0, 110, 0), (8 + i, 8, 20 + i, 20))
        green.save(own_folder / f"train/green/square{i}.png")
    report = _report(run_cli("data", own_folder, "--json"))
    assert report["duplicates"] == []
    assert report["splits"][0]["flat"] == 4
    assert _codes(report) == ["flat"]


def test_small_steps_from_frame_to_frame_do_not_make_one_group_of_a_whole_film(
    own_folder: Path, run_cli: RunCli
) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (5, 40, 3), dtype=np.uint8)
    film = np.asarray(Image.fromarray(noise).resize((640, 64), Image.Resampling.BICUBIC))
    for i in range(0, 240, 2):
        Image.fromarray(film[:, i : i + 64]).save(own_folder / f"train/red/frame{i:03d}.png")
    groups = _report(run_cli("data", own_folder, "--json"))["duplicates"]
    assert groups
    assert max(len(group["images"]) for group in groups) < 20


def test_damaged_files_are_named_with_the_reason(own_folder: Path, run_cli: RunCli) -> None:
    cut = own_folder / "train/red/red_005.png"
    cut.write_bytes(cut.read_bytes()[:-300])
    (own_folder / "val/blue/notes.jpg").write_text("no image", encoding="utf-8")
    (own_folder / "val/blue/empty.jpg").write_bytes(b"")
    (own_folder / "val/blue/list.txt").write_text("no image", encoding="utf-8")
    outcome = run_cli("data", own_folder, "--json", "--strict")
    report = _report(outcome)
    assert outcome.code == 1
    reasons = {image["name"]: image["reason"] for image in report["unreadable"]}
    assert list(reasons) == ["red/red_005.png", "blue/empty.jpg", "blue/notes.jpg"]
    assert "truncated" in reasons["red/red_005.png"]
    assert reasons["blue/empty.jpg"] == "it is empty"
    assert reasons["blue/notes.jpg"].startswith("it is none of JPEG, PNG")
    assert "error: 3 images cannot be decoded (train/red/red_005.png: it is corrupt" in outcome.err
    assert "note: 1 file of val passed over: no image by the name (blue/list.txt)." in outcome.err


def test_few_images_missing_classes_and_imbalance_are_told(own_folder: Path, run_cli: RunCli) -> None:
    shutil.rmtree(own_folder / "val/red")
    for file in sorted((own_folder / "train/blue").iterdir())[2:]:
        file.unlink()
    outcome = run_cli("data", own_folder, "--strict")
    assert outcome.code == 0  # a user may want it so
    assert "1 class without images in val (red)." in outcome.err
    assert "1 class has fewer than 20 images in train (blue 2)." in outcome.err
    assert "In train the largest class has 24 images, the smallest 2" in outcome.err
    assert "no split to judge on" in run_cli("data", own_folder, "--splits", "train").err


class _Page(HTMLParser):
    """What a browser would fetch, and what it would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.images: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = {name: value or "" for name, value in attrs}
        assert not [name for name in found if name.startswith("on")]
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        if tag == "img":
            self.images.append(found["title"])


def test_the_page_shows_the_copies_and_samples_and_fetches_nothing(
    own_folder: Path, run_cli: RunCli, tmp_path: Path
) -> None:
    sly = 'x"><script>alert(1)</script>&.png'
    evil = own_folder / "train/<b>sly"
    evil.mkdir()
    shutil.copy(own_folder / "train/red/red_006.png", evil / sly.replace("/", "_"))
    (own_folder / "val/red/broken<i>.png").write_bytes(b"no image")
    page = tmp_path / "report.html"
    outcome = run_cli("data", own_folder, "--html", page)
    assert outcome.code == 0
    text = page.read_text(encoding="utf-8")
    parsed = _Page(text)
    assert not {"script", "link", "iframe", "b>sly", "i"} & set(parsed.tags)
    assert all(address.startswith("data:image/webp;base64,") for address in parsed.addresses)
    assert "red/red_006.png" in parsed.images
    assert f"<b>sly/{sly.replace('/', '_')}" in parsed.images
    assert len([name for name in parsed.images if name.startswith("green/")]) == 8
    assert "broken&lt;i&gt;.png" in text
    assert list(tmp_path.glob(".*")) == []


def test_labels_of_classes_csv_are_shown(own_folder: Path, run_cli: RunCli) -> None:
    (own_folder / "classes.csv").write_text(
        "class_id,wnid,label\n0,blue,sky\n1,green,leaf\n2,red,rose\n", encoding="utf-8"
    )
    assert [entry["label"] for entry in _report(run_cli("data", own_folder, "--json"))["classes"]] == [
        "sky",
        "leaf",
        "rose",
    ]


def test_what_cannot_be_used_is_one_sentence_and_exit_2(image_folder: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "bad/train/a").mkdir(parents=True)
    (tmp_path / "bad/train/a/1.png").write_bytes(b"no image")
    with tarfile.open(tmp_path / "train.tar", "w"):
        pass
    for arguments, sentence in (
        ((tmp_path / "gone",), "is not there"),
        ((tmp_path,), "holds no images in class folders"),
        ((tmp_path / "bad",), "None of the 1 images of .* can be decoded; a/1.png: it is none of"),
        ((image_folder, "--splits", "train,test"), "has no 'test' images; there is train, val"),
        ((image_folder, "--splits", ","), "it names no split"),
        ((image_folder, "--html", tmp_path / "no/where.html"), "there is no folder"),
    ):
        outcome = run_cli("data", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert re.search(sentence, outcome.err)
        assert "Traceback" not in outcome.err


def test_file_names_cannot_steer_the_terminal(own_folder: Path, run_cli: RunCli) -> None:
    (own_folder / "train/red/\x1b[2J\nerror.png").write_bytes(b"no image")
    outcome = run_cli("data", own_folder)
    assert r"train/red/\u001b[2J\nerror.png: it is none of" in outcome.err


@pytest.mark.filterwarnings("always")
def test_odd_metadata_is_not_told_file_after_file(
    own_folder: Path, recwarn: pytest.WarningsRecorder, run_cli: RunCli
) -> None:
    """Pillow warns of an EXIF block that ends early; the pixels are sound."""
    with Image.open(own_folder / "train/red/red_000.png") as image:
        exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x09\x00"
        image.save(own_folder / "train/red/odd.jpg", exif=exif)
    report = _report(run_cli("data", own_folder, "--json"))
    assert report["unreadable"] == []
    assert not recwarn.list


@pytest.mark.parametrize(("side_px", "form", "quality", "least"), [(48, "JPEG", 75, 500), (32, "WEBP", 60, 475)])
def test_photos_are_found_again_in_another_size_and_encoding(
    real_data: Path, tmp_path: Path, run_cli: RunCli, side_px: int, form: str, quality: int, least: int
) -> None:
    """Measured: 500 and 484 of 500, none of them as another photo."""
    source = real_data / "tiny-imagenet-100/val.tar"
    if not source.is_file():
        pytest.skip("there is no tiny-imagenet-100")
    with tarfile.open(source) as tar:
        tar.extractall(tmp_path, tar.getmembers()[::10], filter="data")
    photos = sorted((tmp_path / "val").rglob("*.webp"))
    assert len(photos) == 500
    for path in photos:
        copy = tmp_path / "train" / path.relative_to(tmp_path / "val").with_suffix(f".{form.lower()}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            photo.convert("RGB").resize((side_px, side_px)).save(copy, form, quality=quality)
    groups = _report(run_cli("data", tmp_path, "--json"))["duplicates"]
    names = [[image["name"].rsplit(".", 1)[0] for image in group["images"]] for group in groups]
    assert all(len(found) == 2 and found[0] == found[1] for found in names)
    assert len(names) >= least
