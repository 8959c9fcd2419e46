"""Split files made from a folder."""

import json
import re
from itertools import chain
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.cases import check_repeats, from_file, make_split

SHARED = Path(__file__).parents[3] / "shared"
AFFINE = np.diag([-1.0, 1.0, 2.0, 1.0])


def write(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def folder(root, names, labels=None):
    """Write scans, all different; the first ones, or all, have a label."""
    for i, name in enumerate(names):
        write(root / "imagesTr" / f"{name}.nii.gz", np.random.default_rng(i).integers(0, 99, (4, 5, 6), np.uint8))
        if labels is None or i < labels:
            write(root / "labelsTr" / f"{name}.nii.gz", np.ones((4, 5, 6), np.uint8))
    return root


def cases(count):
    return [f"c{i:02}" for i in range(count)]


def names_of(file):
    lists = json.loads(Path(file).read_text(encoding="utf-8"))
    return {part: [Path(item["image"]).name.split(".")[0] for item in items] for part, items in lists.items()}


def listed(path, *names):
    path.write_text("\n".join(names) + "\n")
    return path


def test_counts_take_first_last_and_rest_as_from_folder_does(tmp_path):
    folder(tmp_path, cases(9), labels=7)
    (file,) = make_split(tmp_path, tmp_path / "new" / "split.json", labeled=2, validation=2, test=1)
    assert names_of(file) == {
        "labeled": ["c00", "c01"],
        "unlabeled": ["c02", "c03", "c07", "c08"],
        "validation": ["c04", "c05"],
        "test": ["c06"],
    }
    read = from_file(file, tmp_path)
    assert [len(items) for items in read.values()] == [2, 4, 2, 1]
    assert all(set(item) == {"image"} for item in read["unlabeled"])
    assert sorted(path.name for path in file.parent.iterdir()) == ["split.json"]


def test_all_labeled_leaves_unlabeled_those_without_a_label(tmp_path):
    folder(tmp_path, cases(5), labels=4)
    (file,) = make_split(tmp_path, tmp_path / "split.json", labeled="all", validation=1)
    assert names_of(file) == {"labeled": ["c00", "c01", "c02"], "unlabeled": ["c04"], "validation": ["c03"]}


def test_scans_of_two_channels_are_split_and_told_apart_by_either(tmp_path):
    for i, channel in enumerate(("c0_0000", "c0_0001", "c1_0000", "c1_0001", "c2_0000", "c2_0001")):
        write(tmp_path / f"imagesTr/{channel}.nii.gz", np.full((4, 5, 6), i if channel[-1] == "1" else 7, np.uint8))
    for name in ("c0", "c1"):
        write(tmp_path / f"labelsTr/{name}.nii.gz", np.ones((4, 5, 6), np.uint8))
    (file,) = make_split(tmp_path, tmp_path / "split.json", labeled=1, validation=1, in_channels=2)
    assert names_of(file) == {"labeled": ["c0"], "unlabeled": ["c2"], "validation": ["c1"]}
    assert from_file(file, tmp_path)["labeled"][0]["image"] == str(tmp_path / "imagesTr/c0.nii.gz")


def test_named_lists_keep_their_order_and_train_limits(tmp_path):
    folder(tmp_path, cases(8))
    train = listed(tmp_path / "train.list", "c05", "c01", "c03", "c00")
    held_out = listed(tmp_path / "val.list", "c07", "c02")
    (file,) = make_split(tmp_path, tmp_path / "split.json", 2, held_out, ["c04"], train)  # c06 is in no list
    assert names_of(file) == {
        "labeled": ["c05", "c01"],
        "unlabeled": ["c03", "c00"],
        "validation": ["c07", "c02"],
        "test": ["c04"],
    }


def test_labeled_may_be_a_list_within_train(tmp_path):
    folder(tmp_path, cases(5))
    (file,) = make_split(tmp_path, tmp_path / "split.json", ["c03"], 1, train=["c00", "c03", "c01"])
    assert names_of(file) == {"labeled": ["c03"], "unlabeled": ["c00"], "validation": ["c01"]}


def test_seed_shuffles_and_repeats_itself(tmp_path):
    folder(tmp_path, cases(12))
    files = [make_split(tmp_path, tmp_path / f"{i}.json", 3, 3, seed=seed)[0] for i, seed in enumerate((0, 0, 1))]
    first, again, other = (names_of(file) for file in files)
    assert first == again != other
    assert sorted(chain(*other.values())) == cases(12)


def test_folds_hold_every_scan_with_a_label_out_once(tmp_path):
    folder(tmp_path, cases(8), labels=7)
    files = make_split(tmp_path, tmp_path / "split.json", labeled=2, test=["c00"], folds=3, seed=0)
    assert [file.name for file in files] == [f"split_fold{i}.json" for i in (1, 2, 3)]
    lists = [names_of(file) for file in files]
    assert sorted(chain(*(part["validation"] for part in lists))) == cases(7)[1:]
    for part in lists:
        assert part["test"] == ["c00"]
        assert len(part["labeled"]) == 2
        assert sorted(chain(*part.values())) == cases(8)


def test_exclude_leaves_out(tmp_path):
    folder(tmp_path, cases(5))
    for i, choice in enumerate((["c00", "c04"], "c00", "c00,c04", "00, 04", listed(tmp_path / "bad.list", "c00"))):
        (file,) = make_split(tmp_path, tmp_path / f"{i}.json", 1, 1, exclude=choice)
        assert names_of(file)["labeled"] == ["c01"]


@pytest.mark.parametrize("entries", [["0002.h5", "0010"], ["image0002", "image0010.h5"], ["PANCREAS_0002", "0010"]])
def test_names_of_the_field_find_their_scans(tmp_path, entries):
    folder(tmp_path, ["PANCREAS_0001", "PANCREAS_0002", "PANCREAS_0010"])
    (file,) = make_split(tmp_path, tmp_path / "split.json", 1, entries)
    assert names_of(file)["validation"] == ["PANCREAS_0002", "PANCREAS_0010"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": ["c01"], "test": ["c01"]}, "c01 is in both test and validation; list every scan once"),
        ({"test": ["c01"], "train": ["c01", "c02"]}, "c01 is in both test and train; list every scan once"),
        ({"labeled": ["c01"], "validation": ["c01"]}, "c01 is in both validation and labeled; list every scan once"),
        ({"exclude": ["c01"], "validation": ["c01"]}, "c01 is in both exclude and validation"),
        ({"validation": ["c01", "c01"]}, "validation names c01 twice"),
        (
            {"validation": ["c09"]},
            "validation: c09 is the name of no scan in imagesTr, nor a text file of names; correct",
        ),
        ({"validation": ["7"]}, "validation: 7 is the name of no scan in imagesTr"),
        (
            {"validation": "nowhere.list"},
            r"validation: nowhere\.list is the name of no scan in imagesTr, nor a text file",
        ),
        ({"test": 1.5}, r"test must be a whole number, or names with commas between, got 1\.5"),
        ({"labeled": 0.5}, r"labeled must be a whole number, or names with commas between, got 0\.5"),
        ({"exclude": 70}, "exclude must be names or a text file of names, got 70"),
        ({"labeled": 0}, "labeled must be from 1 to the 4 scans with a label left, got 0"),
        ({"labeled": 5}, "labeled must be from 1 to the 4 scans with a label left, got 5"),
        ({"validation": 7}, "validation must be from 0 to the 5 scans with a label left, got 7"),
        ({"test": -1}, "test must be from 0 to the 5 scans with a label left, got -1"),
        ({"validation": ["c05"]}, "c05 is validation and has no label; add it to labelsTr or take it from the list"),
        ({"folds": 6}, "folds must be from 2 to the 5 scans with a label, got 6"),
        ({"folds": 1}, "folds must be from 2 to the 5 scans with a label, got 1"),
    ],
)
def test_wrong_choices_are_refused_and_write_nothing(tmp_path, options, message):
    folder(tmp_path, cases(6), labels=5)
    with pytest.raises(ValueError, match=message):
        make_split(tmp_path, tmp_path / "split.json", **({"labeled": 1, "validation": 1} | options))
    assert not list(tmp_path.glob("*.json"))


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"imagesTr does not exist; set dataset_dir"):
        make_split(tmp_path, tmp_path / "split.json")
    folder(tmp_path, cases(2))
    write(tmp_path / "labelsTr" / "other.nii.gz", np.ones((4, 5, 6), np.uint8))
    with pytest.raises(ValueError, match=r"other\.nii\.gz has no scan"):
        make_split(tmp_path, tmp_path / "split.json")
    (tmp_path / "labelsTr" / "other.nii.gz").unlink()
    write(tmp_path / "imagesTr" / "c00.nii", np.ones((4, 5, 6), np.uint8))
    with pytest.raises(ValueError, match=r"c00\.nii\.gz and .*c00\.nii have one name|c00\.nii and .* have one name"):
        make_split(tmp_path, tmp_path / "split.json")


def ambiguous(root):
    return folder(root, ["a_01", "b_01", "c"])


def test_number_of_two_scans_is_refused(tmp_path):
    with pytest.raises(ValueError, match="validation: 01 is the name of a_01 and b_01; correct the list"):
        make_split(ambiguous(tmp_path), tmp_path / "split.json", 1, ["01"])


def flipped(path):
    """Return the scan stored in another type and orientation."""
    scan = nib.load(path)
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = scan.shape[0] - 1
    return np.asarray(scan.dataobj)[::-1].astype(np.float32), scan.affine @ flip


def test_same_scan_in_two_lists_is_refused_whatever_its_orientation(tmp_path):
    folder(tmp_path, cases(4))
    write(tmp_path / "imagesTr" / "c03.nii.gz", *flipped(tmp_path / "imagesTr" / "c00.nii.gz"))
    message = (
        r"c03\.nii\.gz \(validation\) and .*c00\.nii\.gz \(labeled\) have the same voxels; leave one out by exclude"
    )
    with pytest.raises(ValueError, match=message):
        make_split(tmp_path, tmp_path / "split.json", 1, 1)
    assert not (tmp_path / "split.json").exists()
    make_split(tmp_path, tmp_path / "split.json", 1, 1, exclude=["c03"])


def test_same_scan_in_one_list_gives_a_warning(tmp_path, capsys):
    folder(tmp_path, cases(4))
    write(tmp_path / "imagesTr" / "c02.nii.gz", *flipped(tmp_path / "imagesTr" / "c01.nii.gz"))
    make_split(tmp_path, tmp_path / "split.json", 1, 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"warning: .*c02\.nii\.gz and .*c01\.nii\.gz have the same voxels, both unlabeled; leave", line)


@pytest.mark.parametrize("name", ["PANCREAS_{}", "image{}", "{}"])
def test_known_repeats_of_pancreas_ct_give_a_warning(tmp_path, capsys, name):
    folder(tmp_path, [name.format(number) for number in ("0001", "0002", "0025", "0070")])
    make_split(tmp_path, tmp_path / "split.json", 1, folds=2)
    (line,) = capsys.readouterr().err.splitlines()  # once, not for each fold
    assert "0025" in line
    assert "0070" in line
    assert "said to repeat a patient of Pancreas-CT" in line


def test_unreadable_scan_is_refused(tmp_path):
    folder(tmp_path, cases(3))
    (tmp_path / "imagesTr" / "c01.nii.gz").write_text("no scan")
    with pytest.raises(ValueError, match=r"c01\.nii\.gz cannot be read .*; copy or convert it again"):
        make_split(tmp_path, tmp_path / "split.json", 1, 1)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is absent")
@pytest.mark.parametrize(
    ("train", "test", "sizes"),
    [
        ("pancreas_ct_mcnet_train.list", "pancreas_ct_mcnet_test.list", (6, 56, 20)),
        ("brats19_train.list", "brats19_test.list", (6, 244, 60)),
    ],
)
def test_lists_of_the_field_make_their_splits(tmp_path, train, test, sizes):
    train, test = SHARED / "splits" / train, SHARED / "splits" / test
    folder(
        tmp_path,
        [
            name.replace("image", "PANCREAS_")
            for name in (train.read_text(encoding="utf-8") + test.read_text(encoding="utf-8")).split()
        ],
    )
    (file,) = make_split(tmp_path, tmp_path / "split.json", 6, validation=0, test=test, train=train)
    read = from_file(file, tmp_path)
    assert tuple(len(read[part]) for part in ("labeled", "unlabeled", "test")) == sizes
    assert names_of(file)["labeled"][0] == train.read_text(encoding="utf-8").split()[0].replace("image", "PANCREAS_")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="../shared is absent")
def test_left_atrium_holds_no_scan_twice():
    root = SHARED / "data" / "left_atrium"
    lists = [{str(i): [{"image": str(path)}] for i, path in enumerate(sorted((root / "imagesTr").glob("*.nii.gz")))}]
    check_repeats(lists)


def test_names_with_commas_may_be_many(tmp_path):
    names = [f"case_with_quite_a_long_name_{i:02d}" for i in range(12)]
    folder(tmp_path, names)
    (file,) = make_split(tmp_path, tmp_path / "split.json", 1, 1, test=",".join(names[:10]))
    assert names_of(file)["test"] == names[:10]
