import gzip
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.datalist import (
    SPLITS,
    beside,
    channel_files,
    check_scans,
    checks,
    digest,
    fingerprint,
    from_file,
    from_folder,
    images,
    load,
    unlabeled,
)

DATA = Path(__file__).parents[2] / "shared" / "data" / "left_atrium"
SHAPE = (4, 5, 6)
AFFINE = np.array([[-0.6, 0.1, 0.0, 12.0], [0.1, 0.7, 0.0, -30.0], [0.0, 0.0, 1.5, 7.0], [0.0, 0.0, 0.0, 1.0]])


def write(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return str(path)


def folder(root, scans=6, labels=6, suffix=".nii.gz"):
    half = np.zeros(SHAPE, np.uint8)
    half[2:] = 1
    for i in range(scans):
        write(root / "imagesTr" / f"LA_{i}{suffix}", np.full(SHAPE, i, np.uint8))
    for i in range(labels):
        write(root / "labelsTr" / f"LA_{i}{suffix}", half)
    return root


def pair(i):
    return {"image": f"imagesTr/LA_{i}.nii.gz", "label": f"labelsTr/LA_{i}.nii.gz"}


def split_file(root, **lists):
    path = root / "split.json"
    path.write_text(json.dumps(lists))
    return path


def names(items):
    return [Path(item["image"]).name.split(".")[0] for item in items]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_from_folder_splits_first_last_and_rest(tmp_path, suffix):
    lists = from_folder(folder(tmp_path, scans=6, labels=5, suffix=suffix), validation=2, labeled=1)
    assert {split: names(items) for split, items in lists.items()} == {
        "labeled": ["LA_0"],
        "unlabeled": ["LA_1", "LA_2", "LA_5"],  # labeled beyond the first, then never labeled
        "validation": ["LA_3", "LA_4"],
    }
    assert all(set(item) == {"image"} for item in lists["unlabeled"])
    assert lists["labeled"][0]["label"] == str(tmp_path / "labelsTr" / f"LA_0{suffix}")


def test_from_folder_all_keeps_every_label(tmp_path):
    lists = from_folder(folder(tmp_path, scans=6, labels=5), validation=2, labeled="all")
    assert [names(lists[split]) for split in lists] == [["LA_0", "LA_1", "LA_2"], ["LA_5"], ["LA_3", "LA_4"]]


def test_from_folder_without_validation_gives_an_empty_list(tmp_path):
    lists = from_folder(folder(tmp_path), validation=0, labeled="all")
    assert [len(lists[split]) for split in lists] == [6, 0, 0]


def test_from_folder_leaves_out_files_of_other_kinds(tmp_path):
    folder(tmp_path)
    for name in ("._LA_0.nii.gz", "notes.txt"):
        (tmp_path / "imagesTr" / name).write_text("no scan")
    assert len(from_folder(tmp_path, 2, 2)["unlabeled"]) == 2


def test_from_folder_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere/imagesTr does not exist; set dataset_dir"):
        from_folder(tmp_path / "nowhere")


def test_from_folder_empty_folder_is_refused(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(ValueError, match=r"imagesTr has no \*.nii.gz or \*.nii; set dataset_dir"):
        from_folder(tmp_path)


def test_from_folder_label_without_scan_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"labelsTr/LA_6.nii.gz has no scan"):
        from_folder(folder(tmp_path, scans=6, labels=7), 2, 2)


@pytest.mark.parametrize(
    ("labels", "labeled", "message"),
    [
        (6, 5, "has 6 scans with a label, labeled [+] validation need 7; lower labeled"),
        (2, 1, "has 2 scans with a label, labeled [+] validation need 3; lower validation"),
        (2, "all", "has 2 scans with a label, labeled [+] validation need 3; lower validation"),
        (0, 1, "has 0 scans with a label, labeled [+] validation need 3; fill labelsTr"),
    ],
)
def test_from_folder_too_few_labels_are_refused(tmp_path, labels, labeled, message):
    with pytest.raises(ValueError, match=message):
        from_folder(folder(tmp_path, labels=labels), 2, labeled)


@pytest.mark.parametrize("labeled", [0, -1, "some", 1.5])
def test_labeled_of_no_scans_is_refused(tmp_path, labeled):
    with pytest.raises(ValueError, match="labeled must be a whole number of at least 1, or 'all', got"):
        from_folder(folder(tmp_path), 2, labeled)


def test_negative_validation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="validation must be at least 0, got -1"):
        from_folder(folder(tmp_path), -1, 1)


def test_from_file_reads_every_form_of_entry(tmp_path):
    folder(tmp_path)
    unlabeled = [pair(2), {"image": "imagesTr/LA_3.nii.gz"}, str(tmp_path / "imagesTr/LA_4.nii.gz")]
    path = split_file(tmp_path, labeled=[pair(0)], validation=[pair(1)], unlabeled=unlabeled, test=[pair(5)])
    lists = from_file(path, tmp_path)
    assert lists["labeled"] == [{key: str(tmp_path / value) for key, value in pair(0).items()}]
    assert lists["unlabeled"] == [{"image": str(tmp_path / pair(i)["image"])} for i in (2, 3, 4)]
    assert names(lists["validation"] + lists["test"]) == ["LA_1", "LA_5"]


def test_from_file_unlabeled_is_optional(tmp_path):
    path = split_file(folder(tmp_path), labeled=[pair(0)], validation=[pair(1)])
    lists = from_file(path, tmp_path)
    assert lists["unlabeled"] == []
    assert "test" not in lists


def test_from_file_labeled_moves_the_others_to_unlabeled(tmp_path):
    entries = {"labeled": [pair(0), pair(1), pair(2)], "unlabeled": [pair(3)["image"]], "validation": [pair(4)]}
    lists = from_file(split_file(folder(tmp_path), **entries), tmp_path, labeled=1)
    assert names(lists["labeled"]) == ["LA_0"]
    assert names(lists["unlabeled"]) == ["LA_3", "LA_1", "LA_2"]
    assert all(set(item) == {"image"} for item in lists["unlabeled"])


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"labeled": [pair(0)]}, "split.json lacks the list 'validation'"),
        ({"validation": [pair(0)]}, "split.json lacks the list 'labeled'"),
        ({"labeled": [pair(0)], "validation": [], "unlabeled": None}, "split.json lacks the list 'unlabeled'"),
        ({"labeled": [pair(0)], "validation": [], "training": []}, "has the unknown key 'training'"),
        ({"labeled": [], "validation": [pair(0)]}, "has 0 labeled scans, must have at least 1"),
        ({"labeled": [pair(0), pair(0)], "validation": []}, "'labeled': .*LA_0.nii.gz is already in 'labeled'"),
        ({"labeled": [pair(0)], "validation": [pair(0)]}, "'validation': .*LA_0.nii.gz is already in 'labeled'"),
        (
            {"labeled": [pair(0)], "validation": [pair(1)], "unlabeled": ["imagesTr/../imagesTr/LA_1.nii.gz"]},
            "'unlabeled': .*LA_1.nii.gz is already in 'validation'",
        ),
        ({"labeled": [{"image": pair(0)["image"]}], "validation": []}, "'labeled': .*LA_0.nii.gz has no label"),
        ({"labeled": [pair(0)], "validation": [pair(1)["image"]]}, "'validation': .*LA_1.nii.gz has no label"),
        ({"labeled": [pair(0) | {"label": 3}], "validation": []}, "'labeled': .*LA_0.nii.gz has no label"),
        ({"labeled": [{"label": "x"}], "validation": []}, "'labeled': {'label': 'x'} has no image"),
        ({"labeled": [pair(7)], "validation": []}, "'labeled': .*imagesTr/LA_7.nii.gz does not exist"),
        ({"labeled": [pair(0) | {"label": "no.nii"}], "validation": []}, "no.nii does not exist; correct the path"),
    ],
)
def test_from_file_wrong_lists_are_refused(tmp_path, lists, message):
    with pytest.raises(ValueError, match=message):
        from_file(split_file(folder(tmp_path), **lists), tmp_path)


def test_from_file_too_few_labels_are_refused(tmp_path):
    path = split_file(folder(tmp_path), labeled=[pair(0), pair(1)], validation=[pair(2)])
    with pytest.raises(ValueError, match="has 2 labeled scans, must have at least 3; lower labeled"):
        from_file(path, tmp_path, labeled=3)


@pytest.mark.parametrize("text", ["{", None])
def test_from_file_no_json_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "split.json").write_text(text)
    with pytest.raises(ValueError, match=r"split.json is no readable JSON file .*; correct it or set datalist to null"):
        from_file(tmp_path / "split.json", tmp_path)


def test_from_file_json_list_is_refused(tmp_path):
    (tmp_path / "split.json").write_text("[]")
    with pytest.raises(ValueError, match=r"split.json must be a dictionary of the lists labeled, unlabeled"):
        from_file(tmp_path / "split.json", tmp_path)


def test_load_takes_the_folder_or_the_file(tmp_path):
    path = split_file(folder(tmp_path, scans=9, labels=9), labeled=[pair(0), pair(1)], validation=[pair(2)])
    assert load(tmp_path, validation=1) == from_folder(tmp_path, 1, 8)
    assert load(tmp_path, labeled=2, validation=1) == from_folder(tmp_path, 1, 2)
    assert load(tmp_path, path) == from_file(path, tmp_path, "all")
    assert load(tmp_path, path, labeled=1) == from_file(path, tmp_path, 1)


def test_beside_gives_the_scans_of_neither_list(tmp_path):
    lists = from_folder(folder(tmp_path), validation=2, labeled=1)
    (tmp_path / "imagesTr" / "notes.txt").write_text("no scan")
    assert beside(lists["labeled"], lists["validation"]) == lists["unlabeled"]


def test_beside_leaves_out_labels_of_the_same_folder(tmp_path):
    image, label, other = (write(tmp_path / f"{name}.nii", np.zeros(SHAPE, np.uint8)) for name in "abc")
    assert beside([{"image": image, "label": label}], []) == [{"image": other}]


def test_unlabeled_without_a_split_file_are_the_scans_beside(tmp_path):
    lists = from_folder(folder(tmp_path), validation=1, labeled=2)
    found = unlabeled(lists["labeled"], lists["validation"], tmp_path)
    assert found == lists["unlabeled"]


def test_unlabeled_of_a_split_file_are_those_it_names(tmp_path):
    file = split_file(folder(tmp_path), labeled=[pair(0), pair(1)], validation=[pair(2)], unlabeled=[pair(3)["image"]])
    lists = from_file(file, tmp_path, labeled=1)
    found = unlabeled(lists["labeled"], lists["validation"], tmp_path, file, labeled=1)
    assert found == lists["unlabeled"]
    assert len(found) == 2  # the one named and the label given up, not the two beside


def test_images_are_one_scan_or_those_of_a_folder(tmp_path):
    scans = folder(tmp_path) / "imagesTr"
    assert len(images(scans)) == 6
    first = images(scans)[0]["image"]
    assert images(first) == [{"image": first}]
    with pytest.raises(ValueError, match="no scan there"):
        images(tmp_path / "nowhere")


def channels(root, cases=3, count=4, labels=True):
    for i in range(cases):
        for k in range(count):
            write(root / "imagesTr" / f"case_000{i}_000{k}.nii.gz", np.full(SHAPE, 10 * i + k, np.uint8))
        if labels:
            write(root / "labelsTr" / f"case_000{i}.nii.gz", np.zeros(SHAPE, np.uint8))
    return root


def test_channels_of_a_scan_are_one_item_of_the_name_of_its_label(tmp_path):
    lists = from_folder(channels(tmp_path), validation=1, labeled=1, in_channels=4)
    assert [names(lists[split]) for split in SPLITS[:3]] == [["case_0000"], ["case_0001"], ["case_0002"]]
    first = lists["labeled"][0]["image"]
    assert [file.name for file in channel_files(first)] == [f"case_0000_000{k}.nii.gz" for k in range(4)]
    assert channel_files(lists["labeled"][0]["label"]) == [Path(lists["labeled"][0]["label"])]
    assert names(beside(lists["labeled"], lists["validation"], in_channels=4)) == ["case_0001"]
    assert images(tmp_path / "imagesTr", in_channels=4)[0]["image"] == first
    assert images(first) == [{"image": first}]
    check_scans(lists, in_channels=4, cache_dir=tmp_path / "cache")


def test_split_file_names_scans_of_several_channels(tmp_path):
    channels(tmp_path)
    pairs = [{"image": f"imagesTr/case_000{i}.nii.gz", "label": f"labelsTr/case_000{i}.nii.gz"} for i in range(2)]
    lists = from_file(split_file(tmp_path, labeled=pairs[:1], validation=pairs[1:]), tmp_path)
    check_scans(lists, in_channels=4)


def test_fingerprint_sees_every_channel(tmp_path):
    item = from_folder(channels(tmp_path), 1, 1, in_channels=4)["labeled"][0]
    before = fingerprint(item)
    write(tmp_path / "imagesTr/case_0000_0002.nii.gz", np.full((8, 8, 8), 3, np.uint8))
    assert fingerprint(item) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "case_0001_0003.nii.gz").unlink(), r"case_0001\.nii\.gz has 3 channel files, in_channels is 4"),
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


def test_digest_tells_lists_apart_but_not_folders(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    assert digest(from_folder(first, 2, 1)) == digest(from_folder(second, 2, 1))
    assert digest(from_folder(first, 2, 1)) != digest(from_folder(first, 2, 2))
    assert re.fullmatch("[0-9a-f]{12}", digest(from_folder(first, 2, 1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_check_scans_accepts_whole_labels_of_any_type(tmp_path, dtype):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    half = np.arange(120).reshape(SHAPE) % 2
    write(Path(lists["labeled"][0]["label"]), half.astype(dtype))
    check_scans(lists)


def test_check_scans_does_not_read_labels_of_unlabeled(tmp_path):
    image = write(tmp_path / "image.nii", np.zeros(SHAPE, np.float32))
    check_scans({"unlabeled": [{"image": image, "label": "nowhere.nii"}]})


def spoiled(value, dtype=np.float32):
    voxels = np.zeros(SHAPE, dtype)
    voxels[1, 2, 3] = value
    return voxels


@pytest.mark.parametrize("split", ["labeled", "unlabeled", "validation", "test"])
@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (spoiled(np.nan), "has NaN or infinite voxels"),
        (spoiled(-np.inf), "has NaN or infinite voxels"),
        (np.zeros((*SHAPE, 2), np.uint8), r"must be 3-D .*, got uint8 of shape \(4, 5, 6, 2\)"),
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
        (np.zeros(SHAPE, np.uint8), np.diag([-1.0, 1, 1, 1]) @ AFFINE, "has another affine than its scan"),
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
    image = write(tmp_path / "image.nii.gz", np.zeros(SHAPE, np.uint8))
    label = write(tmp_path / "label.nii.gz", voxels, affine)
    with pytest.raises(ValueError, match=f"^{re.escape(label)} {message}"):
        check_scans({split: [{"image": image, "label": label}]})


def test_check_scans_classes_allow_more_values(tmp_path):
    image = write(tmp_path / "image.nii.gz", np.zeros(SHAPE, np.uint8))
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


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_load_left_atrium_gives_la_8():
    lists = load(DATA)
    assert {split: len(items) for split, items in lists.items()} == {"labeled": 8, "unlabeled": 60, "validation": 12}
    assert names(lists["validation"])[0] == "LA_068"


def test_check_scans_reads_again_only_what_changed(tmp_path, monkeypatch):
    lists = from_folder(folder(tmp_path), validation=2, labeled=2)
    read = []
    real = checks._check_scan
    monkeypatch.setattr(checks, "_check_scan", lambda *args: (read.append(Path(args[0]).name), real(*args)))
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
