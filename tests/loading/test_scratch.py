import os

import pytest
import torch

from llmsegnet_bundle.loading.scratch import ScratchTensors


def test_tensors_come_back_and_are_replaced_in_their_place(tmp_path):
    kept = ScratchTensors(tmp_path / "new")
    first, second = torch.rand(2, 5, 6, 7).half(), torch.rand(2, 3, 3, 3).half()
    kept[4], kept[2] = first, second
    end = kept.end
    kept[4] = first + 1
    assert kept.end == end
    assert torch.equal(kept[4], first + 1)
    assert torch.equal(kept[2], second)
    assert (2 in kept, 3 in kept) == (True, False)
    kept[2] = first  # of another size
    assert torch.equal(kept[2], first)
    assert torch.equal(kept[4], first + 1)


def test_nothing_is_left_under_any_name(tmp_path):
    kept = ScratchTensors(tmp_path)
    kept[0] = torch.rand(3)
    assert os.listdir(tmp_path) == []


def test_writing_into_what_was_read_changes_nothing(tmp_path):
    kept = ScratchTensors(tmp_path)
    kept[0] = torch.ones(3)
    kept[0].zero_()
    assert kept[0].tolist() == [1, 1, 1]


def test_full_disk_ends_in_one_line(tmp_path):
    kept = ScratchTensors(tmp_path)
    full = "No space left on device; make room there, or give another --cache_dir"
    with open("/dev/full", "wb", buffering=0) as kept.file, pytest.raises(ValueError, match=full):
        kept[0] = torch.ones(3)


def test_folder_that_cannot_be_made_ends_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Not a directory; give another --cache_dir"):
        ScratchTensors(tmp_path / "file" / "folder")
