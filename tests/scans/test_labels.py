import re

import nibabel as nib
import numpy as np
import pytest
from scan_headers import FORMS, save_by_itk, with_forms

from llmsegnet_bundle.scans import read_classes, read_scan

SHAPE = (12, 13, 14)
LABEL = (np.indices(SHAPE).sum(axis=0) % 3).astype(np.uint8)


def pair(folder, kind):
    scan, label = folder / "scan.nii.gz", folder / "label.nii.gz"
    nib.save(with_forms(np.ones(SHAPE, np.float32), kind), scan)
    save_by_itk(LABEL, scan, label)
    return scan, label


@pytest.mark.parametrize("kind", FORMS)
def test_label_saved_by_an_itk_program_fits_its_scan(kind, tmp_path):
    scan, label = pair(tmp_path, kind)
    found = read_classes(label, SHAPE, read_scan(scan)[1], scan, 3)
    np.testing.assert_array_equal(found, LABEL)


@pytest.mark.parametrize("kind", FORMS)
def test_label_saved_with_the_affine_of_its_scan_and_no_unit_fits(kind, tmp_path):
    scan, label = tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz"
    image = with_forms(np.ones(SHAPE, np.float32), kind, "meter")
    small = np.diag([1e-3, 1e-3, 1e-3, 1])
    sform, qform = (image.header.get_sform(), image.header.get_qform())
    image.header["pixdim"][1:4] *= 1e-3
    image.header.set_sform(small @ sform, int(image.header["sform_code"]))
    image.header.set_qform(small @ qform, int(image.header["qform_code"]))
    nib.save(image, scan)
    nib.save(nib.Nifti1Image(LABEL, nib.load(scan).affine), label)
    np.testing.assert_array_equal(read_classes(label, SHAPE, read_scan(scan)[1], scan, 3), LABEL)


@pytest.mark.parametrize("kind", FORMS)
def test_label_off_every_form_is_refused_and_told_in_mm(kind, tmp_path):
    scan, label = pair(tmp_path, kind)
    moved = nib.load(label)
    affine = moved.affine.copy()
    affine[0, 3] += 300
    nib.save(nib.Nifti1Image(LABEL, affine), label)
    told = rf"{re.escape(str(label))} lies up to \d+ mm \(\S+ voxels\) off its scan .*scan\.nii\.gz; resample it or"
    with pytest.raises(ValueError, match=told):
        read_classes(label, SHAPE, read_scan(scan)[1], scan, 3)


@pytest.mark.parametrize(("voxels", "fits"), [(0.006, True), (0.58, False)])
def test_label_may_lie_off_by_a_small_part_of_a_voxel(voxels, fits, tmp_path):
    spacing_mm = 0.5
    affine = np.diag([spacing_mm] * 3 + [1])
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), affine), tmp_path / "scan.nii")
    affine = affine.copy()
    affine[2, 3] = voxels * spacing_mm
    nib.save(nib.Nifti1Image(LABEL, affine), tmp_path / "label.nii")
    arguments = (tmp_path / "label.nii", SHAPE, read_scan(tmp_path / "scan.nii")[1], tmp_path / "scan.nii", 3)
    if fits:
        read_classes(*arguments)
    else:
        with pytest.raises(ValueError, match=r"lies up to 0\.29 mm \(0\.58 voxels\) off its scan"):
            read_classes(*arguments)


@pytest.mark.parametrize(("value", "fits"), [(0.9999999, True), (1.0004, True), (0.99, False), (np.nan, False)])
def test_label_that_is_nearly_whole_is_whole(value, fits, tmp_path):
    voxels = np.where(LABEL == 1, value, LABEL).astype(np.float64)
    for name, content in (("scan", np.ones(SHAPE)), ("label", voxels)):
        nib.save(nib.Nifti1Image(content, np.eye(4)), tmp_path / f"{name}.nii")
    arguments = (tmp_path / "label.nii", SHAPE, np.eye(4), tmp_path / "scan.nii", 3)
    if fits:
        np.testing.assert_array_equal(read_classes(*arguments), LABEL)
    else:
        with pytest.raises(ValueError, match="must be whole, 0 to 2; renumber or set classes"):
            read_classes(*arguments)
