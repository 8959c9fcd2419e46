import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scan_folders import AFFINE, SHAPE, channels, folder, scan, spoiled, write
from scan_headers import save_by_itk, with_forms

from llmsegnet_bundle.cases import check_scans, checks, fingerprint, from_folder


def test_fingerprint_sees_every_channel(tmp_path):
    item = from_folder(channels(tmp_path), 1, 1, in_channels=4)["labeled"][0]
    before = fingerprint(item)
    write(tmp_path / "imagesTr/case_0000_0002.nii.gz", np.full((8, 8, 8), 3, np.uint8))
    assert fingerprint(item) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "case_0001_0003.nii.gz").unlink(), r"case_0001\.nii\.gz has 3 channels, in_channels is 4"),
        (
            lambda d: write(d / "case_0001_0002.nii.gz", np.zeros((4, 5, 7))),
            "case_0001_0002.* lies on another grid",
        ),
        (lambda d: write(d / "case_0001_0002.nii.gz", np.full(SHAPE, np.nan)), "case_0001_0002.* NaN"),
    ],
)
def test_channels_that_do_not_fit_are_refused(tmp_path, change, message):
    lists = from_folder(channels(tmp_path), 1, 1, in_channels=4)
    change(tmp_path / "imagesTr")
    with pytest.raises(ValueError, match=message):
        check_scans(lists, in_channels=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_check_scans_accepts_whole_labels_of_any_type(tmp_path, dtype):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    half = np.arange(120).reshape(SHAPE) % 2
    write(Path(lists["labeled"][0]["label"]), half.astype(dtype))
    check_scans(lists)


def test_check_scans_does_not_read_labels_of_unlabeled(tmp_path):
    image = write(tmp_path / "image.nii", scan())
    check_scans({"unlabeled": [{"image": image, "label": "nowhere.nii"}]})


@pytest.mark.parametrize("split", ["labeled", "unlabeled", "validation", "test"])
@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (spoiled(np.nan), "has NaN or infinite voxels"),
        (spoiled(-np.inf), "has NaN or infinite voxels"),
        (np.zeros((*SHAPE, 2), np.uint8), "has 2 channels, in_channels is 1; correct one"),
        (np.full(SHAPE, 7, np.int16), "has the value 7 in all voxels; leave it out"),
        (np.zeros(SHAPE, np.complex64), "must be 3-D with one number per voxel, got complex64"),
    ],
)
def test_check_scans_bad_image_is_refused(tmp_path, split, voxels, message):
    image = write(tmp_path / "image.nii.gz", voxels)
    label = write(tmp_path / "label.nii.gz", np.zeros(SHAPE, np.uint8))
    item = {"image": image} if split == "unlabeled" else {"image": image, "label": label}
    with pytest.raises(ValueError, match=f"^{re.escape(image)} {message}"):
        check_scans({split: [item]})


@pytest.mark.parametrize("split", ["labeled", "validation", "test"])
@pytest.mark.parametrize(
    ("voxels", "affine", "message"),
    [
        (np.zeros((4, 5, 7), np.uint8), AFFINE, r"has the shape \(4, 5, 7\), its scan \(4, 5, 6\)"),
        (
            np.zeros(SHAPE, np.uint8),
            np.diag([-1.0, 1, 1, 1]) @ AFFINE,
            r"lies up to \S+ mm \(.* voxels\) off",
        ),
        (spoiled(255, np.uint8), AFFINE, "has the values 0, 255, must be whole, 0 to 1; renumber or set classes"),
        (spoiled(-1, np.int16), AFFINE, "has the values -1, 0, must be whole"),
        (spoiled(0.5), AFFINE, "has the values 0, 0.5, must be whole"),
        (spoiled(np.nan), AFFINE, "has the values 0, nan, must be whole"),
        (
            np.arange(120, dtype=np.uint8).reshape(SHAPE),
            AFFINE,
            "has the values 0, 1, 2, 3, 4, 5, 6, 7, ..., 119, must",
        ),
    ],
)
def test_check_scans_bad_label_is_refused(tmp_path, split, voxels, affine, message):
    image = write(tmp_path / "image.nii.gz", scan())
    label = write(tmp_path / "label.nii.gz", voxels, affine)
    with pytest.raises(ValueError, match=f"^{re.escape(label)} {message}"):
        check_scans({split: [{"image": image, "label": label}]})


def test_check_scans_classes_allow_more_values(tmp_path):
    image = write(tmp_path / "image.nii.gz", scan())
    label = write(tmp_path / "label.nii.gz", spoiled(2, np.uint8))
    check_scans({"labeled": [{"image": image, "label": label}]}, classes=3)


def truncated_gzip(path):
    voxels = np.random.default_rng(0).integers(0, 255, (20, 20, 20), np.uint8)
    write(path, voxels)
    path.write_bytes(path.read_bytes()[:-2000])


def truncated(path):
    write(path, np.zeros((20, 20, 20), np.uint8))
    path.write_bytes(path.read_bytes()[:-2000])


def text(path):
    path.write_text("no scan")


def compressed_text(path):
    path.write_bytes(gzip.compress(b"no scan"))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("a.nii.gz", truncated_gzip),
        ("a.nii", truncated),
        ("a.nii.gz", text),
        ("a.nii", text),
        ("a.nii.gz", compressed_text),
        ("a.nii", lambda path: None),
    ],
)
def test_check_scans_unreadable_file_is_refused(tmp_path, name, spoil):
    spoil(tmp_path / name)
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / name))} cannot be read .*; copy or convert"):
        check_scans({"unlabeled": [{"image": str(tmp_path / name)}]})


def test_check_scans_names_the_first_problem_in_list_order(tmp_path):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    for item in lists["validation"] + lists["unlabeled"][1:]:
        Path(item["image"]).write_text("no scan")
    with pytest.raises(ValueError, match=f"^{re.escape(lists['unlabeled'][1]['image'])} cannot be read"):
        check_scans(lists, workers=3)


def test_check_scans_reads_again_only_what_changed(tmp_path, monkeypatch):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    read = []
    real = checks._check_scan

    def told(image, *args, **rest):
        read.append(Path(image).name)
        return real(image, *args, **rest)

    monkeypatch.setattr(checks, "_check_scan", told)
    cache_dir = tmp_path / "cache"
    check_scans(lists, cache_dir=cache_dir)
    assert len(read) == 6
    read.clear()
    check_scans(lists, cache_dir=cache_dir)
    assert read == []
    write(Path(lists["labeled"][1]["label"]), np.ones(SHAPE, np.uint8))
    check_scans(lists, cache_dir=cache_dir)
    assert read == ["LA_1.nii.gz"]
    Path(lists["labeled"][1]["image"]).unlink()
    with pytest.raises(ValueError, match=r"LA_1.nii.gz cannot be read"):
        check_scans(lists, cache_dir=cache_dir)


DAMAGED = ["", "{", "null", "[]", "5", '{"MARK": null}', '{"MARK": 5}', '{"MARK": ["a"]}', "[" * 2_000_000]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:12])
def test_damaged_memory_is_forgotten_and_all_is_read_again(content, tmp_path, monkeypatch):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    memory = tmp_path / "cache/checked.json"
    check_scans(lists, cache_dir=memory.parent)
    before = json.loads(memory.read_text(encoding="utf-8"))
    memory.write_text(content.replace("MARK", next(iter(before))))
    check_scans(lists, cache_dir=memory.parent)
    assert json.loads(memory.read_text(encoding="utf-8")) == before


@pytest.mark.slow
def test_threads_that_ask_itk_at_once_all_get_an_answer(tmp_path):
    script = """
import sys
from llmsegnet_bundle.cases import check_scans
pairs = [{"image": f"{sys.argv[1]}/{i}.nii", "label": f"{sys.argv[1]}/{i}_seg.nii"} for i in range(8)]
check_scans({"labeled": pairs}, workers=8)
"""
    for i in range(8):
        nib.save(with_forms(scan(), "zero"), tmp_path / f"{i}.nii")
        save_by_itk(np.ones(SHAPE, np.uint8), tmp_path / f"{i}.nii", tmp_path / f"{i}_seg.nii")
    # in a process of its own, where no part of ITK is loaded
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(tmp_path)], check=True)


def test_stopped_check_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "AT_ONCE", 2)
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    items = [*lists["labeled"], *lists["unlabeled"], *lists["validation"]]
    read, stopping, whole = [], [True], checks._check_scan
    fourth = items[3]["image"]

    def check(image, *rest):
        read.append(image)
        if image == fourth and stopping:
            raise KeyboardInterrupt
        return whole(image, *rest)

    monkeypatch.setattr(checks, "_check_scan", check)
    with pytest.raises(KeyboardInterrupt):
        check_scans(lists, cache_dir=tmp_path / "cache", workers=1)
    read.clear()
    stopping.clear()
    check_scans(lists, cache_dir=tmp_path / "cache", workers=1)
    assert sorted(read) == sorted(item["image"] for item in items[2:])
    read.clear()
    check_scans(lists, cache_dir=tmp_path / "cache", workers=1)
    assert not read
