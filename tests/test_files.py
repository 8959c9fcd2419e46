import errno
import os
import shutil
from pathlib import Path

import pytest
import torch

from llmsegnet_bundle.files import CannotWrite, link_file, whole_file, write_texts, writing_to


def test_file_is_replaced_whole_and_synced_before(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda handle: done.append((tmp_path / "a").exists()))
    with whole_file(tmp_path / "new/../a") as part:
        part.write_text("content")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "content"
    assert done == [False, True]  # the file before it is renamed, then its folder


def write_and_fail(file, error):
    with whole_file(file) as part:
        part.write_text("half")
        raise error


def save_on_a_full_disk(file):
    with whole_file(file) as part:
        part.symlink_to("/dev/full")
        with part.open("wb") as stream:
            torch.save(torch.zeros(100_000), stream)


def test_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError, match="mine"):
        write_and_fail(tmp_path / "a", KeyError("mine"))
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_full_disk_is_told_with_path_and_reason(tmp_path):
    with pytest.raises(ValueError, match=r"last\.pt cannot be written \(No space left on device\); free space"):
        save_on_a_full_disk(tmp_path / "last.pt")
    assert list(tmp_path.iterdir()) == []


def copy_and_fail(place):
    why = "[Errno 28] No space left on device: '{}'"
    with writing_to(place):
        raise shutil.Error([(name, name, why.format(name)) for name in "ab"])


def test_reason_of_a_copy_of_many_files_is_that_of_the_first():
    with pytest.raises(CannotWrite, match=r"^app cannot be written \(No space left on device\); free space"):
        copy_and_fail("app")


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    for name in (".999999999.a", f".{os.getppid()}.a", ".1.b", ".x.a"):
        (tmp_path / name).touch()
    with whole_file(tmp_path / "a") as part:
        part.touch()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([".1.b", f".{os.getppid()}.a", ".x.a", "a"])


def test_texts_are_written_all_or_none(tmp_path, monkeypatch):
    def refuse(part, target):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    write_texts(tmp_path, {"a": "1", "b": "2"})
    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(ValueError, match=r"cannot be written \(Read-only file system\)"):
        write_texts(tmp_path, {"a": "3", "b": "4"})
    assert {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()} == {"a": "1", "b": "2"}


def test_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(ValueError, match=r"b cannot be written \((Not a directory|File exists)\)"):
        write_and_fail(tmp_path / "a/b", KeyError("mine"))


def test_second_name_for_what_has_it_leaves_nothing_beside(tmp_path):
    (tmp_path / "a").write_text("content")
    (tmp_path / ".999999999.b").write_text("of a process that was killed")
    for _ in range(2):  # the second time both names are one file, and a rename does nothing
        link_file(tmp_path / "a", tmp_path / "b")
        assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "b").read_text(encoding="utf-8") == "content"
