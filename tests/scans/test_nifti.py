import nibabel as nib
import numpy as np
import pytest
from scan_headers import MOVED, SHEARED, STRAIGHT, TURNED, with_forms

from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.nifti import as_bytes, from_bytes, nifti_affine, nifti_forms, read_nifti

VOXELS = np.zeros((4, 5, 6), np.uint8)


@pytest.mark.parametrize(
    ("kind", "affine"),
    [("same", TURNED), ("two_forms", MOVED), ("qform_only", TURNED), ("sform_only", TURNED), ("sheared", SHEARED)],
)
def test_affine_is_the_form_with_a_code_the_sform_first(kind, affine, tmp_path):
    nib.save(with_forms(VOXELS, kind), tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_scan(tmp_path / "a.nii.gz")[1], affine, atol=1e-5)


def test_affine_without_a_form_is_the_spacing_around_the_middle(tmp_path):
    nib.save(with_forms(VOXELS, "zero"), tmp_path / "a.nii")
    affine = read_scan(tmp_path / "a.nii")[1]
    np.testing.assert_allclose(affine, nib.load(tmp_path / "a.nii").affine)
    np.testing.assert_allclose(np.diag(affine), (-0.8, 0.7, 1.5, 1), atol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
def test_affine_is_in_mm_whatever_the_unit_of_the_header(unit, factor):
    header = with_forms(VOXELS, "same", unit).header
    np.testing.assert_allclose(nifti_affine(header)[:3], TURNED[:3] * factor, rtol=1e-5)


def test_affine_of_an_unknown_unit_is_as_stored():
    header = with_forms(VOXELS, "same").header
    header["xyzt_units"] = 7
    np.testing.assert_allclose(nifti_affine(header), TURNED, atol=1e-5)


def test_forms_are_the_sform_the_qform_and_what_itk_reads(tmp_path):
    nib.save(with_forms(VOXELS, "two_forms"), tmp_path / "a.nii")
    sform, qform, itk = nifti_forms(tmp_path / "a.nii")
    for form, wanted in ((sform, MOVED), (qform, STRAIGHT), (itk, STRAIGHT)):
        np.testing.assert_allclose(form, wanted, atol=1e-4)
    nib.save(with_forms(VOXELS, "zero"), tmp_path / "b.nii")
    default, itk = nifti_forms(tmp_path / "b.nii")
    assert np.abs(itk - default).max() > 1  # ITK: origin 0


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_header_survives_as_bytes(kind, endianness):
    header = kind.header_class(endianness=endianness)
    header.set_sform(MOVED, 2)
    np.testing.assert_allclose(nifti_affine(from_bytes(as_bytes(header))), MOVED, atol=1e-5)


def test_negative_spacings_count_as_positive_ones(tmp_path):
    for kind in ("zero", "qform_only"):
        image = with_forms(VOXELS, kind)
        affine = nifti_affine(image.header)
        image.header["pixdim"][1:4] *= -1
        nib.save(image, tmp_path / "a.nii")
        assert read_nifti(tmp_path / "a.nii")[1]["pixdim"][1] < 0
        np.testing.assert_allclose(read_scan(tmp_path / "a.nii")[1], affine, atol=1e-6)


def with_scaling(file, slope, inter):
    nib.save(with_forms(VOXELS + 7, "same"), file)
    raw = bytearray(file.read_bytes())
    raw[112:120] = np.array([slope, inter], "<f4").tobytes()
    file.write_bytes(bytes(raw))
    return file


@pytest.mark.parametrize("inter", [0, 3, np.nan])
def test_slope_of_zero_scales_nothing(inter, tmp_path):
    np.testing.assert_array_equal(read_nifti(with_scaling(tmp_path / "a.nii", 0, inter))[0], VOXELS + 7)


@pytest.mark.parametrize(("slope", "inter"), [(np.nan, 0), (np.inf, 0), (1, np.inf)])
def test_slope_that_is_no_number_is_refused(slope, inter, tmp_path):
    file = with_scaling(tmp_path / "a.nii", slope, inter)
    with pytest.raises(ValueError, match=r"a\.nii (has scl_slope .* and scl_inter|cannot be read .*inter)"):
        read_nifti(file)


def test_slope_scales(tmp_path):
    image = nib.Nifti1Image(np.linspace(0, 1, 120).reshape(4, 5, 6), np.eye(4), dtype=np.int16)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii.gz")[0], image.get_fdata(), atol=1e-4)
