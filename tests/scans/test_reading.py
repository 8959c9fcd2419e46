import itk
import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.scans import read_channels, read_image, read_scan

SHAPE = (4, 5, 6)
VOXELS = np.arange(120, dtype=np.int16).reshape(SHAPE)
AFFINE = np.array([[0.0, -0.7, 0, 12], [0.6, 0, 0, -30], [0, 0, 1.5, 7], [0, 0, 0, 1]])
LPS = np.diag([-1.0, -1, 1, 1])


def save(file, voxels=VOXELS, affine=AFFINE):
    if file.name.lower().endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(voxels, affine), file)
        return file
    lps = LPS @ affine
    image = itk.image_from_array(np.ascontiguousarray(voxels.T))
    spacing_mm = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing_mm.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(lps[:3, :3] / spacing_mm))
    itk.imwrite(image, str(file))
    return file


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_every_format_gives_the_same_voxels_and_affine(name, tmp_path):
    file = save(tmp_path / name.lower())
    if name != name.lower():
        file = file.rename(tmp_path / name)
    voxels, affine = read_scan(file)
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("more", [(1,), (1, 1)])
def test_axes_of_one_at_the_end_are_left_out(more, tmp_path):
    file = save(tmp_path / "a.nii", VOXELS.reshape(*SHAPE, *more))
    np.testing.assert_array_equal(read_image(file)[0], VOXELS)


def test_channels_lie_in_one_file_or_in_several(tmp_path):
    both = np.stack([VOXELS, VOXELS + 7], axis=-1)
    save(tmp_path / "one.nii.gz", both)
    save(tmp_path / "two_0000.nrrd", VOXELS)
    save(tmp_path / "two_0001.nrrd", VOXELS + 7)
    for name in ("one.nii.gz", "two.nrrd"):
        volume = read_channels(tmp_path / name)
        np.testing.assert_array_equal(volume.voxels, np.moveaxis(both, -1, 0))
        np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    with pytest.raises(ValueError, match=r"one\.nii\.gz has 2 channels, must have one; take one of them out"):
        read_image(tmp_path / "one.nii.gz")
    with pytest.raises(ValueError, match=r"one\.nii\.gz must be 3-D with one number per voxel, got int16 of shape"):
        read_scan(tmp_path / "one.nii.gz")


def test_channel_on_another_grid_is_refused(tmp_path):
    save(tmp_path / "a_0000.nii")
    save(tmp_path / "a_0001.nii", affine=AFFINE @ np.diag([1, 1, 1.1, 1]))
    with pytest.raises(ValueError, match=r"a_0001\.nii lies on another grid than .*a_0000\.nii; resample"):
        read_channels(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("name", "voxels", "affine", "message"),
    [
        ("a.nii", VOXELS[..., :1], AFFINE, r"has one slice, of shape \(4, 5, 1\); a scan must have 2 or more along"),
        ("a.nrrd", VOXELS[:1], AFFINE, r"has one slice, of shape \(1, 5, 6\)"),
        ("a.nii", np.full(SHAPE, 1e300), AFFINE, r"has voxels of 1e\+300, beyond float32; correct its numbers"),
        ("a.nii", np.full(SHAPE, np.nan), AFFINE, "has NaN or infinite voxels; replace them"),
        ("a.nrrd", np.full(SHAPE, -np.inf), AFFINE, "has NaN or infinite voxels"),
        ("a.nii", VOXELS, np.diag([1.0, 0, 1, 1]), "has an affine without volume"),
        ("a.nii", VOXELS, np.diag([1.0, np.nan, 1, 1]), "has NaN or infinite numbers in its affine"),
        ("a.nii", VOXELS, np.diag([1e30, 1, 1, 1]), r"has voxels of 1e\+30 x 1 x 1 mm"),
        ("a.nii", VOXELS.astype(np.complex64), AFFINE, "must be 3-D with one number per voxel, got complex64"),
    ],
)
def test_scan_that_means_nothing_is_refused(name, voxels, affine, message, tmp_path):
    image = nib.Nifti1Image(voxels, None if name.endswith("nii") else affine)
    if name.endswith("nii"):  # nibabel's own way refuses some of these affines
        image.header.set_sform(affine, 1)
        nib.save(image, tmp_path / name)
    else:
        save(tmp_path / name, voxels, affine)
    with pytest.raises(ValueError, match=f"{name} {message}"):
        read_channels(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha", "none.nrrd"])
def test_damaged_or_absent_file_is_refused_in_one_line(name, tmp_path):
    if not name.startswith("none"):
        (tmp_path / name).write_text("no scan")
    with pytest.raises(ValueError, match=rf"{name} cannot be read \(.*\); copy or convert it again$"):
        read_scan(tmp_path / name)
