import pytest

from llmsegnet_bundle.networks import UNet, VNet, check_kernels, check_strides, plan_levels

FIELD = (check_strides(None), check_kernels(None))
WHOLE, PLANE = (2, 2, 2), (2, 2, 1)
CUBE, SQUARE = (3, 3, 3), (3, 3, 1)


@pytest.mark.parametrize(
    ("size", "spacing_mm"),
    [((576, 576, 88), (0.625,) * 3), ((48, 48, 48), (1.0,) * 3), ((512, 512, 250), (0.8, 0.8, 1.25))],
)
def test_isotropic_scans_keep_the_network_of_the_field(size, spacing_mm):
    assert plan_levels(size, spacing_mm) == FIELD


def test_thick_slices_are_halved_once_the_plane_is_as_coarse():
    levels = plan_levels((237, 208, 10), (1.5, 1.5, 10.0))  # 10 mm against 1.5, 3, 6 and 12 mm; 10 slices, then 5
    assert levels.strides == [PLANE, PLANE, WHOLE, PLANE]
    assert levels.kernels == [SQUARE, SQUARE, CUBE, CUBE, CUBE]


def test_slices_along_any_axis_count():
    levels = plan_levels((12, 256, 256), (4.0, 1.0, 1.0))
    assert levels.strides == [(1, 2, 2), (1, 2, 2), WHOLE, WHOLE]
    assert levels.kernels == [(1, 3, 3), (1, 3, 3), CUBE, CUBE, CUBE]


def test_few_slices_are_not_halved_and_still_joined_at_the_bottleneck():
    levels = plan_levels((128, 128, 5), (1.0, 1.0, 40.0))
    assert levels.strides == [PLANE] * 4
    assert levels.kernels == [SQUARE] * 4 + [CUBE]


def test_axes_without_voxels_enough_are_left():
    assert plan_levels((35, 50, 35), (1.0,) * 3).strides == [WHOLE, WHOLE, WHOLE, (1, 2, 1)]
    assert plan_levels((5, 5, 5), (1.0,) * 3).strides == [(1, 1, 1)] * 4


@pytest.mark.parametrize("backbone", [VNet, UNet])
def test_malformed_levels_are_refused(backbone):
    for strides in ([[2, 2, 1]] * 3, [[2, 2]] * 4, [[2, 2, 3]] * 4, [[2, 2, 1.0]] * 4, "2", [2, 2, 2, 2]):
        with pytest.raises(ValueError, match="strides: must be 4 lists of three numbers, each 1 or 2, got"):
            backbone(strides=strides)
    with pytest.raises(ValueError, match="kernels: must be 5 lists of three numbers, each 1 or 3, got"):
        backbone(kernels=[[3, 3, 1]] * 4)
