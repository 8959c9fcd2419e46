import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImaged

from llmsegnet_bundle.scans.reader import ScanReader

LOAD = {"keys": "image", "reader": "llmsegnet_bundle.scans.reader.ScanReader", "ensure_channel_first": True}


def test_loaded_scan_is_channel_first_on_the_meaningful_affine(tmp_path):
    voxels = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    affine = np.diag([-2.0, 3, 4, 1])
    nib.save(nib.Nifti1Image(np.moveaxis(voxels, 0, -1), affine), tmp_path / "a.nii.gz")
    image = LoadImaged(**LOAD)({"image": str(tmp_path / "a.nii.gz")})["image"]
    np.testing.assert_array_equal(image.numpy(), voxels)
    np.testing.assert_allclose(image.affine, affine)
    assert image.meta["filename_or_obj"] == str(tmp_path / "a.nii.gz")


def test_what_is_refused_is_not_read_by_another_reader_of_monai(tmp_path):
    nib.save(nib.Nifti1Image(np.full((3, 4, 5), np.nan), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match="has NaN or infinite voxels"):
        LoadImaged(**LOAD)({"image": str(tmp_path / "a.nii.gz")})


def test_every_name_is_for_this_reader():
    assert ScanReader().verify_suffix("scan.nrrd")
