import io
import multiprocessing
import os
import pickle
import shutil
import tarfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imgcls_core.images.decode import DecodeLimits, decode_image
from imgcls_train.data.dataset import available_splits, open_split, read_classes
from imgcls_train.data.split import Split, split_sha256
from imgcls_train.errors import DatasetError
from PIL import Image


@pytest.fixture(params=["image_folder", "tar_dataset", "cifar100", "cifar10"])
def dataset(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def _pixels(split: Split, index: int) -> bytes:
    return np.asarray(decode_image(split.read(index), DecodeLimits())).tobytes()


def _labelled(split: Split) -> set[tuple[str, bytes]]:
    names = [split.class_names[sample.class_index] for sample in split.samples]
    return {(name, _pixels(split, i)) for i, name in enumerate(names)}


def test_every_layout_gives_the_same_images_with_the_same_classes(dataset: Path, image_folder: Path) -> None:
    for name, count in (("train", 72), ("val", 30)):
        split = open_split(dataset, name)
        assert (split.name, list(split.class_names), len(split.samples)) == (name, ["blue", "green", "red"], count)
        assert _labelled(split) == _labelled(open_split(image_folder, name))


def test_samples_are_ordered_by_class_and_come_in_the_same_order_each_time(dataset: Path) -> None:
    split = open_split(dataset, "train")
    assert [sample.class_index for sample in split.samples] == [0] * 24 + [1] * 24 + [2] * 24
    assert len({sample.name for sample in split.samples}) == 72
    assert split.samples == open_split(dataset, "train").samples
    assert split_sha256(split) == split_sha256(open_split(dataset, "train"))


def test_the_hash_of_a_split_changes_with_one_pixel_and_with_one_label(own_folder: Path) -> None:
    before = split_sha256(open_split(own_folder, "val"))
    file = own_folder / "val/red/red_003.png"
    shutil.move(file, own_folder / "val/blue/red_003.png")
    moved = split_sha256(open_split(own_folder, "val"))
    with Image.open(own_folder / "val/blue/red_003.png") as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(file)
    (own_folder / "val/blue/red_003.png").unlink()
    changed = split_sha256(open_split(own_folder, "val"))
    assert len({before, moved, changed}) == 3


def test_threads_and_forked_processes_read_one_split_side_by_side(dataset: Path) -> None:
    split = open_split(dataset, "train")
    indices = [*range(len(split.samples))] * 3
    expected = [_pixels(split, i) for i in indices]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda i: _pixels(split, i), indices)) == expected
    ours, theirs = multiprocessing.Pipe()
    with warnings.catch_warnings():
        # Python warns of threads that other tests have left; the child only reads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        theirs.send(b"".join(_pixels(split, i) for i in indices))
        os._exit(0)
    received = ours.recv()
    os.waitpid(child, 0)
    assert received == b"".join(expected)


def test_a_split_can_be_sent_to_a_process_of_its_own(dataset: Path) -> None:
    split = open_split(dataset, "val")
    assert _pixels(pickle.loads(pickle.dumps(split)), 7) == _pixels(split, 7)  # noqa: S301 - written here


def test_the_folder_of_cifar_itself_is_a_dataset_too(cifar100: Path, cifar10: Path) -> None:
    for root in (cifar100 / "cifar-100-python", cifar10 / "cifar-10-batches-py"):
        assert available_splits(root) == ["train", "test"]
        assert len(open_split(root, "test").samples) == len(open_split(root, "val").samples) == 30


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_torchvision_reads_the_same_images_and_labels(request: pytest.FixtureRequest, name: str) -> None:
    from torchvision import datasets

    theirs: Any = getattr(datasets, name)

    class Unchecked(theirs):
        """torchvision's reader, for other contents than the published ones."""

        train_list = tuple((file, None) for file, _ in theirs.train_list)
        test_list = tuple((file, None) for file, _ in theirs.test_list)
        meta = theirs.meta | {"md5": None}

    root = request.getfixturevalue(name.lower())
    for train in (True, False):
        read = Unchecked(root, train=train)
        expected = sorted((read.classes[label], np.asarray(image).tobytes()) for image, label in read)
        ours = open_split(root, "train" if train else "test")
        assert sorted(_labelled(ours)) == expected


def test_the_splits_that_are_there_are_named(image_folder: Path, tar_dataset: Path, tmp_path: Path) -> None:
    assert available_splits(image_folder) == available_splits(tar_dataset) == ["train", "val"]
    assert available_splits(tmp_path) == available_splits(tmp_path / "gone") == []


def test_folders_in_class_folders_belong_to_the_class_in_folders_and_in_tar_files(tmp_path: Path) -> None:
    for inside in ("cat/b/2.PNG", "cat/1.png", "dog/a/a/3.png", "dog/.hidden.png", "dog/notes.txt"):
        path = tmp_path / "folders/train" / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path, "PNG")
    (tmp_path / "tars").mkdir()
    for name, top in (("train-0", "train"), ("train-1", "a/train"), ("train-2", ".")):
        with tarfile.open(tmp_path / f"tars/{name}.tar", "w") as tar:
            tar.add(tmp_path / "folders/train", top)
    names = ["cat/1.png", "cat/b/2.PNG", "dog/a/a/3.png"]
    assert [sample.name for sample in open_split(tmp_path / "folders", "train").samples] == names
    in_tars = open_split(tmp_path / "tars", "train")
    assert list(in_tars.class_names) == ["cat", "dog"]
    assert [sample.name for sample in in_tars.samples] == [name for name in names for _ in range(3)]


def test_a_class_may_be_called_like_the_split(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        for name in ("train/1.png", "train/2.png"):
            tar.addfile(tarfile.TarInfo(name))
    assert list(open_split(tmp_path, "train").class_names) == ["train"]


def test_links_in_folders_and_in_tar_files_are_followed(image_folder: Path, tmp_path: Path) -> None:
    source = image_folder / "train/red/red_000.png"
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
    (tmp_path / "train/a/1.png").symlink_to(source)
    (tmp_path / "train/a/round").symlink_to(tmp_path / "train/a")
    (tmp_path / "train/b/gone.png").symlink_to(tmp_path / "nowhere")
    split = open_split(tmp_path, "train")
    assert [sample.name for sample in split.samples] == ["a/1.png"]
    assert list(split.class_names) == ["a", "b"]
    with tarfile.open(tmp_path / "val.tar", "w") as tar:
        tar.add(source, "a/1.png")
        for kind, name, target in ((tarfile.LNKTYPE, "b/2.png", "a/1.png"), (tarfile.SYMTYPE, "b/3.png", "../a/1.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            tar.addfile(link)
    split = open_split(tmp_path, "val")
    assert [sample.name for sample in split.samples] == ["a/1.png", "b/2.png", "b/3.png"]
    assert [split.read(i) for i in range(3)] == [source.read_bytes()] * 3


def test_of_two_files_with_one_name_in_a_tar_file_the_later_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        for content in (b"first", b"later!"):
            entry = tarfile.TarInfo("a/1.png")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    split = open_split(tmp_path, "train")
    assert [split.read(i) for i in range(len(split.samples))] == [b"later!"]


def _damage(raw: bytes, how: str) -> bytes:
    if how == "empty":
        return b""
    if how == "cut":
        return raw[: len(raw) // 2 + 100]
    if how == "header":
        entry = raw.index(b"val/green/green_000.png")
        return raw[:entry] + b"\xff" * 512 + raw[entry + 512 :]
    return b"no tar file, but long enough for a header of 512 bytes " * 20


@pytest.mark.parametrize("how", ["empty", "cut", "header", "text"])
def test_a_damaged_tar_file_is_refused_by_name(tar_dataset: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "val.tar").write_bytes(_damage((tar_dataset / "val.tar").read_bytes(), how))
    with pytest.raises(DatasetError, match=r"val\.tar"):
        open_split(tmp_path, "val")


def test_what_is_there_instead_of_a_split_is_said(image_folder: Path, cifar100: Path, tmp_path: Path) -> None:
    sentences = {
        (image_folder, "test"): r"has no 'test' images; there is train, val\. Looked for: the folder test/CLASS/FILE",
        (cifar100, "extra"): r"has no 'extra' images; there is train, test",
        (image_folder / "train", "train"): r"blue, green, red look like classes: put them into a folder 'train'",
        (image_folder / "gone", "train"): r"is not there; name a folder",
        (cifar100 / "cifar-100-python/meta", "train"): r"is a file; name a folder",
        (tmp_path, "train"): r"nothing in it looks like a dataset.*cifar-100-python",
        (tmp_path, "../up"): r"'\.\./up' is no name of a split",
    }
    for (root, name), sentence in sentences.items():
        with pytest.raises(DatasetError, match=sentence):
            open_split(root, name)
    with tarfile.open(tmp_path / "train.tar.gz", "w:gz"):
        pass
    with pytest.raises(DatasetError, match=r"train\.tar\.gz is compressed.*unpack it first"):
        open_split(tmp_path, "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "val/1.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="holds no folders; one for each class"):
        open_split(tmp_path, "val")
    (tmp_path / "val/a").mkdir()
    (tmp_path / "val/a/notes.txt").write_bytes(b"")
    with pytest.raises(DatasetError, match="no images in its 1 folders"):
        open_split(tmp_path, "val")


def test_an_empty_class_folder_keeps_its_index(own_folder: Path) -> None:
    """So that one index means one class in every split."""
    for file in (own_folder / "val/green").iterdir():
        file.unlink()
    split = open_split(own_folder, "val")
    assert list(split.class_names) == ["blue", "green", "red"]
    assert {sample.class_index for sample in split.samples} == {0, 2}


def test_a_file_name_that_is_no_text_is_refused(own_folder: Path) -> None:
    path = os.fsencode(own_folder / "train/red") + b"/\xff.png"
    try:
        with open(path, "wb"):  # noqa: PTH123 - pathlib takes text alone
            pass
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(DatasetError, match=r"'red/\\udcff\.png' is not UTF-8 text"):
        open_split(own_folder, "train")


def test_labels_come_from_classes_csv_beside_the_images(own_folder: Path) -> None:
    table = own_folder / "classes.csv"
    split = open_split(own_folder, "train")
    assert [entry.label for entry in read_classes(own_folder, split)] == ["blue", "green", "red"]
    table.write_text("class_id,wnid,label\n0,blue,sky\n1,green,leaf\n2,red,rose\n", encoding="utf-8")
    assert [(c.label, c.wnid) for c in read_classes(own_folder, split)][2] == ("rose", "red")
    table.write_text("class_id,label\n0,blue\n1,green\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="lists 2 classes and the 'train' images have 3"):
        read_classes(own_folder, split)


def test_train_and_val_of_the_real_dataset_have_the_same_classes(real_data: Path) -> None:
    root = real_data / "tiny-imagenet-100"
    if not root.is_dir():
        pytest.skip("there is no tiny-imagenet-100")
    train, val = open_split(root, "train"), open_split(root, "val")
    assert (len(train.samples), len(val.samples), len(val.class_names)) == (50_000, 5_000, 100)
    assert list(train.class_names) == list(val.class_names)
    assert {entry.label for entry in read_classes(root, val)} >= {"goldfish", "orange", "teddy"}


@pytest.mark.parametrize("named", [True, False])
def test_a_list_gives_the_classes_of_a_folder(own_folder: Path, named: bool) -> None:
    """The same images without folders of classes: `labels.csv` says what they show."""
    flat, rows = own_folder / "flat", ["file,class_id"]
    flat.mkdir()
    listed = open_split(own_folder, "val")
    for i, sample in enumerate(listed.samples):
        shutil.copy(own_folder / "val" / sample.name, flat / f"{i:03}.png")
        rows.append(f"{i:03}.png,{sample.class_index}")
    (flat / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if named:
        names = "".join(f"{i},{name}\n" for i, name in enumerate(listed.class_names))
        (own_folder / "classes.csv").write_text("class_id,label\n" + names, encoding="utf-8")
    split = open_split(own_folder, "flat")
    assert "flat" in available_splits(own_folder)
    assert [sample.class_index for sample in split.samples] == [sample.class_index for sample in listed.samples]
    assert [split.read(i) for i in range(3)] == [listed.read(i) for i in range(3)]
    labels = [entry.label for entry in read_classes(own_folder, split)]
    assert labels == (list(listed.class_names) if named else ["0", "1", "2"])


def test_a_list_that_does_not_fit_its_classes_is_refused(own_folder: Path) -> None:
    (own_folder / "flat").mkdir()
    (own_folder / "flat/a.png").touch()
    (own_folder / "flat/labels.csv").write_text("file,class_id\na.png,3\n", encoding="utf-8")
    (own_folder / "classes.csv").write_text("class_id,label\n0,a\n1,b\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"has the class_id 3; classes\.csv names 2 classes"):
        open_split(own_folder, "flat")
    (own_folder / "flat/labels.csv").write_text("name\na.png\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"labels.csv' has the columns name; it needs file"):
        open_split(own_folder, "flat")


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("code of the file has run",))


_REAL = {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [0]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (pickle.dumps({"data": _Runs()}), r"asks for 'builtins\.print', which no dataset needs; nothing was run"),
        (b"cnumpy.core.multiarray\nfromfile\n.", r"asks for 'numpy\.core\.multiarray\.fromfile'"),
        (pickle.dumps(_REAL)[:-40], "it is damaged"),
        (b"", "it is damaged"),
        (b"some text\n", "it is damaged"),
        (pickle.dumps([1, 2]), "it holds a list, where a dictionary is expected"),
        (pickle.dumps(_REAL | {"data": np.zeros((1, 3072))}), r"float64 \[1, 3072\] as 'data'"),
        (pickle.dumps(_REAL | {"data": np.array([object])}), "it has an array|asks for"),
        (pickle.dumps(_REAL | {"data": np.zeros((1, 3000), np.uint8)}), r"uint8 \[1, 3000\] as 'data'"),
        (pickle.dumps(_REAL | {"data": "text"}), "has str as 'data'"),
        (pickle.dumps(_REAL | {"fine_labels": [0, 1]}), "has 1 images and not as many 'fine_labels'"),
        (pickle.dumps(_REAL | {"fine_labels": [3]}), "labels from 3 to 3; there are 3 class names"),
        (pickle.dumps({"data": _REAL["data"]}), "not as many 'fine_labels'"),
        (pickle.dumps(_REAL).replace(b"M\x00\x0c", b"M\xff\x7f"), "array of shape"),
    ],
)
def test_what_is_no_file_of_cifar_is_refused_and_nothing_of_it_runs(
    cifar100: Path, tmp_path: Path, content: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(cifar100, tmp_path / "copy"))
    (root / "cifar-100-python/train").write_bytes(content)
    with pytest.raises(DatasetError, match=sentence):
        open_split(root, "train")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_read_as_every_pickle_protocol_writes_them(cifar100: Path, tmp_path: Path, protocol: int) -> None:
    root = Path(shutil.copytree(cifar100, tmp_path / "copy"))
    file = root / "cifar-100-python/train"
    content = pickle.loads(file.read_bytes())  # noqa: S301 - written here
    content["fine_labels"] = np.array(content["fine_labels"])
    content["data"] = np.asfortranarray(content["data"])
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    assert split_sha256(open_split(root, "train")) == split_sha256(open_split(cifar100, "train"))


def test_arrays_that_old_numpy_and_python_2_wrote_are_read(cifar100: Path, tmp_path: Path) -> None:
    """Text opcodes as Python 2 wrote them: the array's bytes are a string there, the module numpy.core."""
    root = Path(shutil.copytree(cifar100, tmp_path / "copy"))
    raw = bytes(range(256)) * 12
    body = (
        b"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntS'b'\ntRp4\n"
        b"(I1\n(I1\nI3072\ntcnumpy\ndtype\np5\n(S'u1'\nI0\nI1\ntRp6\n(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\n"
        + b"S"
        + repr(raw)[1:].encode()
        + b"\ntbsS'fine_labels'\np8\n(lp9\nI2\nas."
    )
    (root / "cifar-100-python/train").write_bytes(body)
    split = open_split(root, "train")
    assert [sample.name for sample in split.samples] == ["red/train-00000"]
    pixels = np.asarray(split.read(0))
    assert pixels.shape == (32, 32, 3)
    assert pixels.transpose(2, 0, 1).tobytes() == raw


def test_two_datasets_in_one_folder_are_not_guessed_between(cifar100: Path, cifar10: Path, tmp_path: Path) -> None:
    for root in (cifar100, cifar10):
        shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    with pytest.raises(DatasetError, match=r"both CIFAR-10 and CIFAR-100; name one of them: '.*cifar-10-batches-py'"):
        open_split(tmp_path, "train")
