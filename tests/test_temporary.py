"""Temporary files: taken over from whoever was killed, left alone while somebody writes them."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fcntl", reason="locks of files are not of Windows")

from metricvae.core.errors import InputError
from metricvae.runtime.files import require_free_folder, write_text
from metricvae.runtime.folders import copy_folder, new_folder, renewed_folder
from metricvae.runtime.reading import ReadError, damaged, files_below, reading
from metricvae.runtime.temporary import temporary_file, temporary_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".a.txt.0.tmp").write_text("half of a longer te")
    write_text(tmp_path / "a.txt", "whole")
    (tmp_path / ".b.0.tmp" / "inner").mkdir(parents=True)
    (tmp_path / ".b.0.tmp" / "half").write_text("half")
    with new_folder(tmp_path / "b", "thing") as folder:
        assert names(folder) == []
        (folder / "whole").touch()
    assert names(tmp_path) == ["a.txt", "b"]
    assert ((tmp_path / "a.txt").read_text(), names(tmp_path / "b")) == ("whole", ["whole"])


def test_two_writers_of_one_file_have_two_temporary_files(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "a") as first, temporary_file(tmp_path / "a") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
        assert first.read_text() == "1"
    with temporary_folder(tmp_path / "a") as first, temporary_folder(tmp_path / "a") as second:
        assert first != second
    assert names(tmp_path) == []


def test_who_was_renamed_does_not_remove_the_next_one(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "a") as first:
        os.replace(first, tmp_path / "a")
        with temporary_file(tmp_path / "a") as second:
            assert second == first
            second.write_text("2")
            os.replace(second, tmp_path / "b")
        first.write_text("of another process")
    assert names(tmp_path) == [".a.0.tmp", "a", "b"]


def test_a_link_or_a_second_name_of_a_file_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for make in (os.symlink, os.link):
        make(tmp_path / "mine", tmp_path / ".a.0.tmp")
        write_text(tmp_path / "a", "whole")
        (tmp_path / ".a.0.tmp").unlink()
        assert (tmp_path / "mine").read_text() == "mine"


def test_a_disk_that_fails_while_files_are_exchanged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("answer-1", "answer-2", "answers.json"):
        (tmp_path / name).write_text("old")
    rename = os.replace

    def fails(source: Path, target: Path) -> None:
        if Path(target).name == "answer-2" and Path(source).parent != tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(InputError, match="it holds files of this run and of the one before"):
        write_answers(tmp_path)
    monkeypatch.undo()
    write_answers(tmp_path)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"new"}


def write_answers(folder: Path) -> None:
    with renewed_folder(folder, "set", "answers.json", ("answer-*",)) as target:
        for name in ("answer-1", "answer-2", "answers.json"):
            (target / name).write_text("new")


def test_a_folder_that_somebody_was_killed_in_is_free(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".plan.json.0.tmp").touch()
    require_free_folder(tmp_path, "plan.json", "thing")
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="holds something that is not a thing"):
        require_free_folder(tmp_path, "plan.json", "thing")


# What the disk does not give


class Bad(io.RawIOBase):
    """A file of which nothing can be read."""

    def read(self, size: int = -1) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_the_disk_does_not_give_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ReadError, match="cannot be read \\(Input/output error\\)"), reading(tmp_path / "a"):
        Bad().read()
    with pytest.raises(ReadError), damaged("a", "make it again"):
        Bad().read()
    with pytest.raises(InputError, match="make it again") as caught, damaged("a", "make it again"):
        raise OSError("no magic bytes")
    assert not isinstance(caught.value, ReadError)


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "below/b.png", ".hidden/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "below")
    assert sorted(path.name for path in files_below(tmp_path)) == ["a.png", "b.png"]
    scandir = os.scandir

    def refused(path: Path) -> Any:
        if Path(path).name == "below":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match="below cannot be read \\(Permission denied\\)"):
        list(files_below(tmp_path))


def test_a_folder_that_cannot_be_copied_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.utime", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        copy_folder(tmp_path / "a", tmp_path / "b")
    assert caught.value.errno == errno.ENOSPC
