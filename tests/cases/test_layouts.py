import json

import nibabel as nib
import numpy as np
import pytest
from dicom_files import write_slices
from scan_folders import SHAPE, names, scan, write

from llmsegnet_bundle.cases import check_scans, from_folder, unlabeled
from llmsegnet_bundle.cases.layouts import read_description

LABEL = (np.arange(120) % 2).astype(np.uint8).reshape(SHAPE)


def nnunet(root, cases=4, labeled=3, ending=".nii.gz", **described):
    for i in range(cases):
        write(root / "imagesTr" / f"LIVER_{i}_0000{ending}", scan(i))
    for i in range(labeled):
        write(root / "labelsTr" / f"LIVER_{i}{ending}", LABEL)
    if described:
        (root / "dataset.json").write_text(json.dumps(described))
    return root


def test_scan_of_one_channel_has_the_name_of_its_label(tmp_path):
    lists = from_folder(nnunet(tmp_path), validation=1, labeled=1)
    assert {part: names(items) for part, items in lists.items()} == {
        "labeled": ["LIVER_0"],
        "unlabeled": ["LIVER_1", "LIVER_3_0000"],  # without a label nothing says that the end is a channel
        "validation": ["LIVER_2"],
    }
    check_scans(lists)
    assert unlabeled(lists["labeled"], lists["validation"], tmp_path)[1:] == lists["unlabeled"][1:]
    assert len(unlabeled(lists["labeled"], lists["validation"], tmp_path)) == 2  # those with a label are none


def test_full_name_wins_where_a_label_has_it(tmp_path):
    for sub in ("imagesTr", "labelsTr"):
        for i in range(3):
            write(tmp_path / sub / f"LA_{i:04d}.nii", LABEL)
    assert names(from_folder(tmp_path, 1, 1)["labeled"]) == ["LA_0000"]
    write(tmp_path / "imagesTr" / "LA.nii", LABEL)
    assert names(from_folder(tmp_path, 1, 1)["unlabeled"]) == ["LA", "LA_0001"]


def test_two_channels_are_refused_where_one_is_wanted(tmp_path):
    nnunet(tmp_path)
    write(tmp_path / "imagesTr" / "LIVER_0_0001.nii.gz", LABEL)
    with pytest.raises(ValueError, match=r"LIVER_0\.nii\.gz has 2 channels, in_channels is 1; correct one"):
        check_scans(from_folder(tmp_path, 1, 1))


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_training_reads_other_formats(ending, tmp_path):
    import itk

    for i in range(3):
        for sub, voxels in (("imagesTr", LABEL.astype(np.int16)), ("labelsTr", LABEL)):
            (tmp_path / sub).mkdir(exist_ok=True)
            itk.imwrite(itk.image_from_array(np.ascontiguousarray(voxels.T)), str(tmp_path / sub / f"c{i}{ending}"))
    lists = from_folder(tmp_path, 1, 1)
    check_scans(lists)
    assert [names(lists[part]) for part in lists] == [["c0"], ["c1"], ["c2"]]


def test_training_reads_folders_of_slices(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 99, SHAPE).astype(np.int16)
    affine = np.array([[-0.8, 0, 0, 10], [0, -0.7, 0, -20], [0, 0, 1.5, 5], [0, 0, 0, 1]])
    for i in range(3):
        write_slices(tmp_path / "imagesTr" / f"1.2.84{i}", voxels)
        write(tmp_path / "labelsTr" / f"1.2.84{i}.nii.gz", LABEL, affine)
    lists = from_folder(tmp_path, 1, 1)
    check_scans(lists, cache_dir=tmp_path / "cache")
    assert [len(lists[part]) for part in lists] == [1, 1, 1]
    assert lists["labeled"][0]["label"].endswith("1.2.840.nii.gz")


def test_decathlon_scan_holds_its_channels_in_one_file(tmp_path):
    for i in range(3):
        both = np.stack([LABEL, 2 * LABEL], axis=-1)
        (tmp_path / "imagesTr").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(both, np.eye(4)), tmp_path / "imagesTr" / f"BRATS_{i:03d}.nii.gz")
        write(tmp_path / "labelsTr" / f"BRATS_{i:03d}.nii.gz", LABEL, np.eye(4))
    check_scans(from_folder(tmp_path, 1, 1, in_channels=2), in_channels=2)


@pytest.mark.parametrize(
    "described",
    [
        {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"},
        {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}, "numTest": 2},
    ],
)
def test_description_of_either_layout_is_read(described, tmp_path):
    description = read_description(nnunet(tmp_path, **described))
    assert description.classes == ("background", "liver")
    assert description.channels == ("CT",)
    assert description.file_ending == described.get("file_ending")
    assert read_description(tmp_path / "nowhere") is None


def test_description_with_a_key_twice_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1, "liver": 2}}')
    with pytest.raises(
        ValueError, match=r"dataset\.json is no readable JSON .*the key 'liver' stands there twice.*; correct"
    ):
        read_description(tmp_path)


def test_files_of_another_ending_than_described_are_left_out(tmp_path):
    nnunet(tmp_path, labels={"background": 0, "liver": 1}, file_ending=".nii.gz")
    write(tmp_path / "imagesTr" / "LIVER_0_0000.nii", LABEL)
    assert len(from_folder(tmp_path, 1, 1)["unlabeled"]) == 2
    (tmp_path / "dataset.json").write_text('{"labels": {}, "file_ending": ".nrrd"}')
    with pytest.raises(ValueError, match=r"imagesTr has no scan that ends with \.nrrd, as dataset\.json says; set"):
        from_folder(tmp_path)


def test_regions_give_no_names(tmp_path):
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    assert read_description(nnunet(tmp_path, labels=labels)).classes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"dataset\.json is no readable JSON \(.*\); correct it"),
        ("[]", r"dataset\.json is no readable JSON"),
        ("[" * 2_000_000, r"dataset\.json is no readable JSON \(it is nested too deep\); correct it"),
        ('{"labels": ["a"]}', r"labels is a list, which must not stand there"),
        ('{"labels": {"0": 5}}', r"cannot be read as nnU-Net's or the Decathlon's \(5 stands where a name belongs\)"),
        ('{"labels": {"0": ""}}', r"'' stands where a name belongs"),
        ('{"labels": {"background": 0, "": 1}}', r"'' stands where a name belongs"),
        ('{"labels": {"background": 0, "liver": "one"}}', r"'one' stands where the number of liver belongs"),
        ('{"labels": {"background": 0, "liver": 1.5}}', r"1.5 stands where the number of liver belongs"),
        ('{"labels": {"background": 0, "liver": 0}}', r"background and liver have the number 0"),
        ('{"channel_names": {"0": 7}}', r"7 stands where a name belongs"),
        ('{"channel_names": {"a": "CT"}}', r"cannot be read as"),
        ('{"file_ending": 5}', r"file_ending is a int, which must not stand there"),
        ('{"labels": {"a": 0, "a": 1}}', r"the key 'a' stands there twice"),
        ('{"labels": {"background": 0, "liver": 2}}', r"has the labels \[0, 2\]; number them 0, 1, 2 \.\.\. without"),
    ],
)
def test_bad_description_is_refused(text, message, tmp_path):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_description(tmp_path)
