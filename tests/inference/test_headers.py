"""Inference on scans whose headers and folders are what people really have."""

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import workflow
from dicom_files import write_slices
from scan_headers import FORMS, assert_same_place, with_forms
from test_scans import SMALL, segment

VOXELS = np.zeros((48, 49, 50), np.float32)
VOXELS[10:30, 12:20, 5:40] = 200


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(workflow(["inference"], **SMALL).parser.get_parsed_content("network_def").state_dict(), file)
    return file


def test_mask_lies_on_its_scan_in_every_program(weights, tmp_path):
    (tmp_path / "scans").mkdir()
    for kind in FORMS:
        nib.save(with_forms(VOXELS, kind), tmp_path / "scans" / f"{kind}.nii.gz")
    segment(tmp_path / "scans", tmp_path / "masks", weights, spacing_mm=[0.8, 0.7, 1.5])
    for kind in FORMS:
        mask = tmp_path / "masks" / f"{kind}_seg.nii.gz"
        assert_same_place(tmp_path / "scans" / f"{kind}.nii.gz", mask)
        differ = (np.asarray(nib.load(mask).dataobj) > 0) != (VOXELS > 100)
        assert differ.mean() < 0.01, kind


def test_scans_in_deeper_folders_are_named_by_them(weights, tmp_path):
    stored = np.rint(VOXELS).astype(np.int16)
    write_slices(tmp_path / "scans" / "P1" / "S1" / "A", stored, slope=0.5)
    (tmp_path / "scans" / "case_00000").mkdir()
    nib.save(with_forms(VOXELS, "same"), tmp_path / "scans" / "case_00000" / "imaging.nii.gz")
    segment(tmp_path / "scans", tmp_path / "masks", weights)
    names = [path.name for path in (tmp_path / "masks").iterdir()]
    assert sorted(names) == ["P1_S1_A_seg.nii.gz", "case_00000_seg.nii.gz"]
    before = {name: (tmp_path / "masks" / name).stat().st_mtime_ns for name in names}
    segment(tmp_path / "scans", tmp_path / "masks", weights)  # both are done
    assert before == {name: (tmp_path / "masks" / name).stat().st_mtime_ns for name in names}


@pytest.mark.slow
def test_masks_below_the_scans_are_no_scans(weights, tmp_path, capsys):
    nib.save(with_forms(VOXELS, "same"), tmp_path / "a.nii.gz")
    for _ in range(2):
        segment(tmp_path, tmp_path / "masks", weights, overwrite=True)
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["a_seg.nii.gz"]
    segment(tmp_path, tmp_path / "masks", weights)
    assert "1 of 1 scans are done" in capsys.readouterr().out


def test_scan_of_meters_is_segmented_in_mm(weights, tmp_path):
    image = with_forms(VOXELS, "sform_only", "meter")
    image.header.set_sform(np.diag([0.0008, 0.0007, 0.0015, 1]), 1)
    nib.save(image, tmp_path / "m.nii.gz")
    segment(tmp_path / "m.nii.gz", tmp_path / "masks", weights)
    assert_same_place(tmp_path / "m.nii.gz", tmp_path / "masks" / "m_seg.nii.gz")
    assert ((np.asarray(nib.load(tmp_path / "masks" / "m_seg.nii.gz").dataobj) > 0) != (VOXELS > 100)).mean() < 0.02
