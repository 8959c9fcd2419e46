"""A case is turned to right, anterior, superior, whatever way its files lie."""

import nibabel as nib
import numpy as np
import pytest
from scan_headers import FORMS, save_by_itk, with_forms

from llmsegnet_bundle.report.cases import case_name, read_case, read_scored_case
from llmsegnet_bundle.report.results import Results


def test_flipped_scan_is_turned_with_its_masks(tmp_path):
    data = np.zeros((4, 5, 6), dtype=np.uint8)
    data[0, 0, 0] = 1
    affine = np.array([[0, 0, 3.0, 0], [-2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # axes posterior, superior, right
    for name in ("imagesTr/a", "labelsTr/a", "a_seg", "a_entropy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(data, affine), tmp_path / f"{name}.nii.gz")
    case = read_scored_case(Results(tmp_path), "a", tmp_path)
    assert case.spacing_mm == (3, 2, 1)
    assert (list(case.masks), list(case.maps)) == (["prediction", "label"], ["entropy"])
    for volume in (case.image, *case.masks.values(), *case.maps.values()):
        assert volume.shape == (6, 4, 5)
        np.testing.assert_array_equal(np.argwhere(volume), [[0, 3, 0]])


@pytest.mark.parametrize("kind", FORMS)
def test_mask_of_another_program_in_floats_lies_on_its_scan(kind, tmp_path):
    classes = np.arange(60).reshape(3, 4, 5) % 3
    nib.save(with_forms(np.ones(classes.shape, np.float32), kind), tmp_path / "scan.nii.gz")
    save_by_itk((classes * 0.9999999).astype(np.float64), tmp_path / "scan.nii.gz", tmp_path / "mask.nii.gz")
    case = read_case(tmp_path / "scan.nii.gz", {"mask": tmp_path / "mask.nii.gz"}, {})
    assert case.masks["mask"].dtype == np.uint8
    assert np.bincount(case.masks["mask"].ravel()).tolist() == [20, 20, 20]


def test_case_name_has_no_suffix():
    assert [case_name(name) for name in ("x/a.b.nii.gz", "a.nii", "a")] == ["a.b", "a", "a"]


def test_label_is_merged_to_the_classes_of_the_run(tmp_path):
    data = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 5
    for name in ("imagesTr/a", "labelsTr/a", "a_seg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii.gz")
    case = read_scored_case(Results(tmp_path, {"settings": {"classes": 2}}), "a", tmp_path)
    np.testing.assert_array_equal(case.masks["label"], data > 0)
