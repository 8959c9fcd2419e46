import numpy as np
import pytest

from llmsegnet_bundle.scans.geometry import check_affine, is_same_grid, largest_shift

SHAPE = (11, 21, 31)


def scaled(x, y, z):
    return np.diag([x, y, z, 1.0])


def sheared(amount):
    affine = np.eye(4)
    affine[0, 1] = affine[1, 2] = affine[0, 2] = amount
    return affine


@pytest.mark.parametrize("affine", [scaled(1, 1, 1), scaled(-0.4, 0.4, 8), sheared(0.2), scaled(5e-4, 5e-4, 5e-4)])
def test_affine_with_a_place_in_space_passes(affine):
    check_affine("a.nii", affine, SHAPE)


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (scaled(1, np.nan, 1), "has NaN or infinite numbers in its affine; correct its header"),
        (scaled(1, np.inf, 1), "has NaN or infinite numbers in its affine"),
        (scaled(1, 0, 1), r"has an affine without volume \(voxels of 1 x 0 x 1 mm, .*\); correct its header"),
        (np.zeros((4, 4)), "has an affine without volume"),
        (
            np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
            "has an affine without volume .* or axes in one plane",
        ),
        (scaled(800, 800, 800), "has voxels of 800 x 800 x 800 mm; correct the spacing or its unit"),
        (scaled(1e300, 1, 1), r"has voxels of 1e\+300 x 1 x 1 mm"),
        (scaled(1e-9, 1e-9, 1e-9), "has voxels of 1e-09 x 1e-09 x 1e-09 mm"),
    ],
)
def test_affine_without_a_place_in_space_is_refused(affine, message):
    with pytest.raises(ValueError, match=f"^a.nii {message}"):
        check_affine("a.nii", affine, SHAPE)


def test_largest_shift_is_of_a_corner_in_voxels_and_mm():
    moved = scaled(2, 2, 4)
    moved[:3, 3] = (0, 0, 1)
    voxel, mm = largest_shift(scaled(2, 2, 4), moved, SHAPE)
    assert (voxel, mm) == pytest.approx((0.25, 1.0))
    voxel, mm = largest_shift(scaled(2, 2, 4), scaled(2.01, 2, 4), SHAPE)  # 10 voxels along x
    assert (voxel, mm) == pytest.approx((0.05, 0.1))


@pytest.mark.parametrize(
    ("spacing_mm", "error", "same"),
    [
        (1000 / 6, 1.0, True),  # 0.006 voxel, however far in mm
        (0.002, 0.00116, False),  # 0.58 voxel, however near in mm
        (1.0, 0.09, True),
        (1.0, 0.11, False),
    ],
)
def test_same_grid_is_a_matter_of_voxels(spacing_mm, error, same):
    affine = scaled(spacing_mm, spacing_mm, spacing_mm)
    other = affine.copy()
    other[1, 3] += error
    assert is_same_grid(affine, other, SHAPE) == same
