import os
import shutil
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest
import torch
from filelock import FileLock
from monai.transforms import Compose, EnsureTyped, LoadImaged, ScaleIntensityd

from llmsegnet_bundle.loading import cache as module
from llmsegnet_bundle.loading.cache import ScanCache, making_threads


def scans(folder, count=2, side=12):
    rng = np.random.default_rng(0)
    items = [{"image": str(folder / f"{number}.nii")} for number in range(count)]
    for item in items:
        nib.save(nib.Nifti1Image(rng.random((side,) * 3, np.float32), np.eye(4)), item["image"])
    return items


def steps(maxv=1.0):
    load = LoadImaged("image", ensure_channel_first=True)
    return Compose([load, ScaleIntensityd("image", 0.0, maxv), EnsureTyped("image", dtype=torch.float16)])


def start(items, folder, maxv=1.0):
    return ScanCache(items, steps(maxv), folder, progress=False)


def content(kept):
    return [kept.load(scan)["image"] for scan in range(len(kept))]


def inodes(kept):
    return [file.stat().st_ino for file in kept.files]


def flip_a_byte(file):
    voxels = bytearray(file.read_bytes())
    voxels[-1] ^= 255
    file.write_bytes(voxels)


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: os.truncate(file, file.stat().st_size - 1),
    "other bytes": lambda file: file.write_bytes(b"\x00" * 5000),
    "a byte": flip_a_byte,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_made_again(damage, tmp_path):
    items = scans(tmp_path)
    before = start(items, tmp_path / "cache")
    whole = content(before)
    DAMAGES[damage](before.files[0])
    assert all(torch.equal(a, b) for a, b in zip(whole, content(before), strict=True))
    kept = inodes(before)
    after = start(items, tmp_path / "cache")
    assert inodes(after) == kept
    assert all(torch.equal(a, b) for a, b in zip(whole, content(after), strict=True))


def test_only_what_is_missing_is_made(tmp_path):
    items = scans(tmp_path, 3)
    first = start(items[:2], tmp_path / "cache")
    kept = inodes(first)
    assert inodes(start(items, tmp_path / "cache"))[:2] == kept
    other = start(items, tmp_path / "cache", maxv=2.0)
    assert not set(other.files) & set(first.files)
    assert inodes(first) == kept  # beside those of other settings


def test_file_is_read_where_it_is_asked_for(tmp_path):
    kept = start(scans(tmp_path, 12, side=80), tmp_path / "cache")
    before = psutil.Process().memory_info().rss
    crops = [kept[scan]["image"][:, 10:12, 10:12, 10:12].clone() for scan in range(12)]
    assert len(crops) == 12
    assert psutil.Process().memory_info().rss - before < 2 * 2 * 80**3  # two scans of float16


def test_writing_into_what_was_read_changes_nothing(tmp_path):
    kept = start(scans(tmp_path, 1), tmp_path / "cache")
    whole = kept.load(0)["image"]
    kept[0]["image"].zero_()
    assert torch.equal(kept[0]["image"], whole)


def test_scan_that_changes_while_in_use_stops_the_run(tmp_path):
    items = scans(tmp_path)
    kept = start(items, tmp_path / "cache")
    shutil.copy(items[1]["image"], items[0]["image"])
    kept.files[0].unlink()
    with pytest.raises(ValueError, match=r"0\.nii or its label changed while it was in use; start again"):
        kept[0]


def test_parts_of_a_killed_run_and_what_nobody_uses_go(tmp_path):
    items = scans(tmp_path)
    kept = start(items, tmp_path / "cache")
    now = time.time()
    ages = {".old.tmp": 2 * 3600, ".young.tmp": 60, "old.safetensors": 15 * 86400, "young.safetensors": 13 * 86400}
    for name, age_s in {**ages, kept.files[0].name: 15 * 86400, "mine.txt": 99 * 86400}.items():
        (kept.folder / name).touch()
        os.utime(kept.folder / name, (now - age_s,) * 2)
    start(items, tmp_path / "cache")
    there = {file.name for file in kept.folder.iterdir()} - {file.name for file in kept.files}
    assert there - {".lock"} == {".young.tmp", "young.safetensors", "mine.txt"}
    assert kept.files[0].stat().st_mtime > now - 60  # in use


def test_second_process_waits_for_the_first(tmp_path):
    items, made = scans(tmp_path), []
    start(items[:1], tmp_path / "cache")
    with FileLock(tmp_path / "cache/scans/.lock"):
        waiting = threading.Thread(target=lambda: made.append(start(items, tmp_path / "cache")))
        waiting.start()
        time.sleep(0.3)
        assert not made
    waiting.join()
    assert len(content(made[0])) == 2


def test_folder_that_cannot_be_written_ends_in_one_line(tmp_path, monkeypatch):
    items = scans(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file/cache/scans: Not a directory; make room there, or give another --cache"):
        start(items, tmp_path / "file/cache")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ValueError, match="cache/scans: No space left on device; make room there, or give another"):
        start(items, tmp_path / "cache")
    assert not list((tmp_path / "cache/scans").glob(".*.tmp"))


def test_transform_that_cannot_be_told_apart_is_refused(tmp_path):
    step = ScaleIntensityd("image")
    step.own = lambda voxel: voxel
    with pytest.raises(ValueError, match=r"cannot be kept on disk \(.*\); give --cache_dir none"):
        ScanCache(scans(tmp_path), Compose([step]), tmp_path / "cache")


def test_code_of_a_transform_belongs_to_its_name(tmp_path, monkeypatch):
    items = scans(tmp_path, 1)
    before = start(items, tmp_path / "cache").files
    (tmp_path / "other.py").write_text("# other code")
    monkeypatch.setattr(module.inspect, "getfile", lambda kind: str(tmp_path / "other.py"))
    assert start(items, tmp_path / "cache").files != before
    monkeypatch.undo()
    assert start(items, tmp_path / "cache").files == before
    monkeypatch.setattr("llmsegnet_bundle.__version__", "9")
    assert start(items, tmp_path / "cache").files != before


def test_as_many_scans_are_made_at_a_time_as_memory_holds(tmp_path, monkeypatch):
    items = scans(tmp_path)
    size = max(Path(item["image"]).stat().st_size for item in items)
    monkeypatch.setattr(module, "cores", lambda: 8)
    for memory, threads in ((10**12, 8), (2 * 3 * module.MAKING * size, 3), (0, 1)):
        monkeypatch.setattr(module, "free_bytes", lambda device, memory=memory: memory)
        assert making_threads(items) == threads
