"""The phantoms are reproducible, look like a data set, and cannot be solved by a threshold."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.random import default_rng
from scipy import ndimage

from llmsegnet_bundle.tools.phantom import Scanner, phantom, write_phantom

SIZE = (64, 64, 48)
SMALL = (24, 24, 16)  # for the tests of files


@pytest.fixture(scope="module")
def scans():
    return [phantom(default_rng((0, i)), SIZE, 1.25) for i in range(8)]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_phantom_same_seed_same_scan(scans):
    image, label = phantom(default_rng((0, 3)), SIZE, 1.25)
    np.testing.assert_array_equal(image, scans[3][0])
    np.testing.assert_array_equal(label, scans[3][1])
    assert (label != scans[4][1]).any()


def test_image_is_uint8_with_spread(scans):
    for image, _ in scans:
        assert image.dtype == np.uint8
        assert image.shape == SIZE
        assert image.std() > 15
        assert (image == 255).mean() < 0.02  # hardly clipped


def test_label_is_one_part_of_plausible_volume(scans):
    for _, label in scans:
        assert label.dtype == np.uint8
        assert set(np.unique(label)) == {0, 1}
        assert ndimage.label(label)[1] == 1
        assert 0.02 <= label.mean() <= 0.15


def test_label_varies_between_scans_in_size_and_place(scans):
    volumes = [label.sum() for _, label in scans]
    centers = [ndimage.center_of_mass(label) for _, label in scans]
    assert max(volumes) > 2 * min(volumes)
    assert (np.ptp(centers, axis=0) > 3).all()  # voxels


def test_threshold_does_not_solve_the_task(scans):
    for image, label in scans:
        smooth = ndimage.gaussian_filter(image.astype(float), 1.0)  # else the noise alone would spoil the threshold
        dice = [2 * (label * (smooth > t)).sum() / (label.sum() + (smooth > t).sum()) for t in range(40, 250, 5)]
        assert max(dice) < 0.75


def test_unlabeled_cavity_is_as_bright_as_the_atrium(scans):
    for image, label in scans:
        smooth = ndimage.gaussian_filter(image.astype(float), 1.0)
        outside = smooth[ndimage.binary_dilation(label, iterations=2) == 0]
        brightest = np.sort(outside)[-int(label.sum()) // 2 :].mean()  # as many voxels as half an atrium
        assert brightest > 0.85 * smooth[label == 1].mean()


def test_atrium_is_brighter_than_its_surroundings(scans):
    for image, label in scans:
        ring = ndimage.binary_dilation(label, iterations=4) & ~ndimage.binary_dilation(label, iterations=1)
        assert image[label == 1].mean() > 1.1 * image[ring].mean()  # the ring holds veins and other cavities too


@pytest.mark.parametrize("size", [(32, 32, 32), (48, 32, 24), (80, 80, 64)])
def test_any_size_holds_an_atrium(size):
    image, label = phantom(default_rng(0), size, 1.25)
    assert image.shape == label.shape == size
    assert 0.005 < label.mean() < 0.15


def test_write_phantom_geometry(tmp_path):
    write_phantom(tmp_path, scans=2, size=SMALL, spacing_mm=2.5)
    for name in ("PHANTOM_000.nii.gz", "PHANTOM_001.nii.gz"):
        image, label = (nibabel.load(tmp_path / part / name) for part in ("imagesTr", "labelsTr"))
        for volume in (image, label):
            assert volume.shape == SMALL
            assert volume.get_data_dtype() == np.uint8
            assert volume.header.get_zooms() == (2.5, 2.5, 2.5)
        np.testing.assert_array_equal(image.affine, label.affine)
        assert (image.affine[:3, 3] != 0).all()
        assert np.asarray(label.dataobj).max() == 1


def test_write_phantom_scan_does_not_depend_on_the_count(tmp_path):
    write_phantom(tmp_path / "two", scans=2, size=SMALL, seed=5)
    write_phantom(tmp_path / "three", scans=3, size=SMALL, seed=5)
    two, three = read_bytes(tmp_path / "two"), read_bytes(tmp_path / "three")
    assert len(two) == 4  # no temporary file stays
    assert two.items() < three.items()


def test_write_phantom_again_and_longer_replaces(tmp_path):
    write_phantom(tmp_path, scans=1, size=SMALL)
    (tmp_path / "imagesTr" / ".999999999.PHANTOM_000.nii.gz").write_bytes(b"of a stopped run")
    write_phantom(tmp_path, scans=2, size=SMALL)
    assert len(read_bytes(tmp_path)) == 4


def test_write_phantom_refuses_no_scans(tmp_path):
    with pytest.raises(ValueError, match="scans must be at least 1, got 0"):
        write_phantom(tmp_path, scans=0)
    assert not list(tmp_path.iterdir())


def test_write_phantom_refuses_a_folder_with_other_scans(tmp_path):
    write_phantom(tmp_path, scans=2, size=SMALL)
    with pytest.raises(ValueError, match=r"no other scans, got PHANTOM_001\.nii\.gz: choose another folder"):
        write_phantom(tmp_path, scans=1, size=SMALL)


def test_write_phantom_takes_the_scanner(tmp_path):
    noisy = Scanner(noise=(0.5, 0.5))
    write_phantom(tmp_path, scans=1, size=SMALL, scanner=noisy)
    image, _ = phantom(default_rng((0, 0)), SMALL, 1.25, noisy)
    written = nibabel.load(tmp_path / "imagesTr/PHANTOM_000.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), image)


def test_scanner_changes_the_image_not_the_body(scans):
    image, label = phantom(default_rng((0, 3)), SIZE, 1.25, Scanner(noise=(0.4, 0.4)))
    np.testing.assert_array_equal(label, scans[3][1])
    assert (image != scans[3][0]).mean() > 0.5
