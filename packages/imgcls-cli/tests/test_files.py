from __future__ import annotations

import errno
from pathlib import Path

import click
import pytest
from imgcls_cli.files import OUTPUT_FILE, FileWriteError, move_into_place, replace_file, replacing
from imgcls_cli.program import Program


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    replace_file(file, "old")
    replace_file(file, "new é", durable=True)
    assert file.read_text(encoding="utf-8") == "new é"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("sole_writer", [True, False])
def test_a_failed_writing_leaves_the_old_file_and_no_part(tmp_path: Path, sole_writer: bool) -> None:
    file = tmp_path / "state.pt"
    file.write_bytes(b"old")

    def write_half() -> None:
        with replacing(file, sole_writer=sole_writer) as part:
            part.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_kill_left_behind_is_overwritten_by_a_sole_writer(tmp_path: Path) -> None:
    (tmp_path / ".state.pt.part").write_bytes(b"from a process that was killed, and longer")
    with replacing(tmp_path / "state.pt", durable=True, sole_writer=True) as file:
        file.write(b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("state.pt", b"new")]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "no" / "such" / "folder.html"

    @click.command()
    def write() -> None:
        replace_file(target, "x")

    assert Program("imgcls-x", write, expected=ValueError).run([]) == 2
    told = f"imgcls-x: '{target}' cannot be written: No such file or directory. Name another place.\n"
    assert capsys.readouterr().err == told


def test_a_full_disk_names_the_file_and_leaves_no_part(tmp_path: Path) -> None:
    file = tmp_path / "report.html"

    def fill_the_disk() -> None:
        with replacing(file) as part:
            part.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FileWriteError, match=r"report\.html' cannot be written: No space left on device\.") as caught:
        fill_the_disk()
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_file_that_is_read_meanwhile_keeps_its_own_words(tmp_path: Path) -> None:
    def copy_nothing() -> None:
        with replacing(tmp_path / "copy") as file:
            file.write((tmp_path / "gone").read_bytes())

    with pytest.raises(FileNotFoundError, match="gone"):
        copy_nothing()


def test_finished_files_move_into_place(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"x")
    (tmp_path / "there").write_bytes(b"old")
    move_into_place({tmp_path / "made": tmp_path / "there"})
    assert (tmp_path / "there").read_bytes() == b"x"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("named", "said"),
    [("there/page.html", "there is no folder"), (".", "is a folder"), ("locked/page.html", "nothing can")],
)
def test_a_file_that_can_never_be_written_is_refused_before_the_work(
    named: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()

    def may(path: Path, _kind: int) -> bool:
        return path.name != "locked"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", may)
    with pytest.raises(click.BadParameter, match=said):
        OUTPUT_FILE.convert(named, None, None)
    assert OUTPUT_FILE.convert("page.html", None, None) == Path("page.html")
