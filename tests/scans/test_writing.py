import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, LoadImaged
from scan_headers import FORMS, assert_same_place, with_forms

from llmsegnet_bundle.scans.reader import ScanReader
from llmsegnet_bundle.transforms import SaveCased

SHAPE = (9, 10, 11)


def save_map(scan, folder, channels=1, crop=0):
    load = Compose([LoadImaged("image", reader=ScanReader(), ensure_channel_first=True)])
    image = load({"image": str(scan)})["image"]
    pred = (image > 0.5).repeat(channels, 1, 1, 1)[:, crop:]
    SaveCased("pred", folder, "seg", torch.uint8)({"pred": pred})
    return folder / "a_seg.nii.gz"


@pytest.mark.parametrize("unit", ["mm", "micron", "unknown"])
@pytest.mark.parametrize("kind", FORMS)
def test_map_takes_over_both_forms_and_codes_of_its_scan(kind, unit, tmp_path):
    voxels = np.random.default_rng(0).random(SHAPE, np.float32)
    nib.save(with_forms(voxels, kind, unit), tmp_path / "a.nii.gz")
    mask = save_map(tmp_path / "a.nii.gz", tmp_path / "out")
    assert_same_place(tmp_path / "a.nii.gz", mask)
    saved = nib.load(mask)
    assert saved.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(saved.dataobj), voxels > 0.5)


@pytest.mark.parametrize("spacing", [(-0.8, -0.7, -1.5), (0, 0, 0)])
def test_map_takes_over_a_header_that_a_reader_would_correct(spacing, tmp_path):
    image = with_forms(np.ones(SHAPE, np.float32), "zero" if any(spacing) else "sform_only")
    image.header["pixdim"][:4] = (0, *spacing)
    nib.save(image, tmp_path / "a.nii.gz")
    assert_same_place(tmp_path / "a.nii.gz", save_map(tmp_path / "a.nii.gz", tmp_path / "out"))


def test_map_of_several_channels_takes_them_over_too(tmp_path):
    nib.save(with_forms(np.ones(SHAPE, np.float32), "two_forms"), tmp_path / "a.nii.gz")
    mask = nib.load(save_map(tmp_path / "a.nii.gz", tmp_path / "out", channels=3))
    assert mask.shape == (*SHAPE, 3)
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (4, 1)


def test_map_of_a_big_endian_nifti_2_scan_lies_on_it(tmp_path):
    header = nib.Nifti2Header(endianness=">")
    image = nib.Nifti2Image(np.ones(SHAPE, ">f4"), None, header)
    image.header.set_sform(np.diag([2.0, 3, 4, 1]), 2)
    image.header.set_qform(np.diag([2.0, 3, 5, 1]), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    mask = nib.load(save_map(tmp_path / "a.nii.gz", tmp_path / "out"))
    np.testing.assert_allclose(mask.get_sform(), np.diag([2.0, 3, 4, 1]))
    np.testing.assert_allclose(mask.get_qform(), np.diag([2.0, 3, 5, 1]))


def test_map_of_a_scan_with_axes_in_another_order_lies_on_it(tmp_path):
    turned = np.array([[0, 0.9, 0, -27], [0, 0, -0.8, 26], [0.7, 0, 0, -18], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.float32), turned), tmp_path / "a.nii.gz")
    np.testing.assert_allclose(nib.load(save_map(tmp_path / "a.nii.gz", tmp_path / "out")).affine, turned, atol=1e-5)


def test_map_on_another_grid_than_the_scan_holds_its_own(tmp_path):
    nib.save(with_forms(np.ones(SHAPE, np.float32), "two_forms"), tmp_path / "a.nii.gz")
    mask = nib.load(save_map(tmp_path / "a.nii.gz", tmp_path / "out", crop=2))
    assert mask.shape == (7, 10, 11)
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (1, 1)
