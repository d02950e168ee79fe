"""Lists of labelled images are read alike by every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from imgcls_cli.labelled_files import LabelledFilesError, read_labelled_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b, b.png", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "file,class_id\na.png,0\nsub/c.png,2\n",
        "\ufefffile,class_id\r\na.png,0\r\nsub/c.png,2\r\n",
        "class_id,label,file\n0,cat,a.png\n2,dog,sub/c.png\n",
        "file;class_id\na.png;0\nsub/c.png;2\n",
        "file\tclass_id\na.png\t0\n\nsub/c.png\t2\n",
        "file , class_id\na.png , 0\nsub/c.png, 2\n,\n",
    ],
)
def test_the_usual_forms_are_read(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8", newline="")
    assert [(one.name, one.class_id) for one in read_labelled_files(folder / "labels.csv")] == [
        ("a.png", 0),
        ("sub/c.png", 2),
    ]


def test_a_name_with_a_comma_is_quoted(folder: Path) -> None:
    (folder / "labels.csv").write_text('file,class_id\n"b, b.png",1\n', encoding="utf-8")
    assert read_labelled_files(folder / "labels.csv")[0].name == "b, b.png"


def test_labels_may_be_missing_where_that_is_allowed(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,class_id\na.png,\n", encoding="utf-8")
    assert read_labelled_files(folder / "labels.csv", unlabelled=True)[0].class_id is None
    (folder / "labels.csv").write_text("file\na.png\n", encoding="utf-8")
    assert read_labelled_files(folder / "labels.csv", unlabelled=True)[0].class_id is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; it needs the header"),
        ("name,class_id\na.png,0\n", "has the columns name, class_id; it needs file"),
        ("file,class_id\n", "has no rows"),
        ("file,class_id\na.png,\n", "has the class_id '' in line 2; it must be a whole number"),
        ("file,class_id\na.png,cat\n", "has the class_id 'cat' in line 2"),
        ("file,class_id\na.png,-1\n", "has the class_id '-1' in line 2"),
        ("file,class_id\na.png,1.5\n", "has the class_id '1.5' in line 2"),
        ("file,class_id\na.png,\u0663\n", "it must be a whole number"),
        ("file,class_id\nz.png,1\n", "names 'z.png' in line 2; there is no such file beside it"),
        ("file,class_id\na.png,1\na.png,2\n", "has 'a.png' twice, again in line 3"),
    ],
)
def test_what_cannot_be_meant_is_said(folder: Path, text: str, sentence: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(LabelledFilesError) as refused:
        read_labelled_files(folder / "labels.csv")
    assert sentence in str(refused.value)


def test_text_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"file,class_id\nKr\xf6te.png,0\n")
    with pytest.raises(LabelledFilesError, match="cannot be read as a CSV file"):
        read_labelled_files(folder / "labels.csv")
