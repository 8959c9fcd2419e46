import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from llmsegnet_bundle.transforms import WorkingGridd
from llmsegnet_bundle.transforms.grid import resize, resize_slabs, working_size

AFFINE = torch.tensor([[-0.5, 0, 0, 7.0], [0, 0.5, 0, -3], [0, 0, 2.0, 11], [0, 0, 0, 1]], dtype=torch.float64)


def scan(volume):
    return MetaTensor(volume, affine=AFFINE)


def world(affine, voxel):
    return (affine @ torch.tensor([*voxel, 1.0], dtype=torch.float64))[:3]


@pytest.mark.parametrize("sides", [(6, 4, 2), (7, 5, 3), (1, 8, 9)])
def test_extent_stays_and_voxels_hold_means(sides):
    volume = torch.rand(1, *sides)
    item = WorkingGridd("image", [1.0, 1.0, 2.0])({"image": scan(volume)})["image"]
    assert list(item.shape[1:]) == working_size(sides, [0.5, 0.5, 2.0], [1.0, 1.0, 2.0])
    assert item.mean().item() == pytest.approx(volume.mean().item(), abs=1e-5)
    for corner in ((-0.5,) * 3, [side - 0.5 for side in sides]):  # the scan's edges, in its voxels
        fraction = [(p + 0.5) / side for p, side in zip(corner, sides, strict=True)]
        own = [f * side - 0.5 for f, side in zip(fraction, item.shape[1:], strict=True)]
        torch.testing.assert_close(world(item.affine, own), world(AFFINE, corner))


def test_scan_that_is_smaller_than_a_working_voxel_is_refused():
    told = r"the scan is 3 x 2 x 4 mm in all, too small for working voxels of 1 x 5 x 1 mm; correct the spacing or its"
    with pytest.raises(ValueError, match=told):
        WorkingGridd("image", [1.0, 5.0, 1.0])({"image": scan(torch.rand(1, 6, 4, 2))})


def test_means_of_two_by_two_voxels_are_exact():
    volume = torch.arange(16.0).reshape(1, 4, 4, 1)
    item = WorkingGridd("image", [1.0, 1.0, 2.0])({"image": scan(volume)})["image"]
    torch.testing.assert_close(item[0, :, :, 0].as_tensor(), torch.tensor([[2.5, 4.5], [10.5, 12.5]]))


def test_label_becomes_the_fractions_of_its_classes():
    label = torch.tensor([[0, 1, 2, 2]]).reshape(1, 1, 4, 1)
    item = {"label": scan(label)}
    fractions = WorkingGridd("label", [1.0, 1.0, 2.0], classes=3)(item)["label"]
    torch.testing.assert_close(fractions[:, 0, :, 0].as_tensor(), torch.tensor([[0.5, 0], [0.5, 0], [0, 1.0]]))


def test_label_on_its_own_grid_is_one_hot():
    label = torch.randint(3, (1, 4, 5, 3))
    fractions = WorkingGridd("label", [0.5, 0.5, 2.0], classes=3)({"label": scan(label)})["label"]
    torch.testing.assert_close(fractions.as_tensor(), torch.nn.functional.one_hot(label[0], 3).movedim(-1, 0).float())


@pytest.mark.parametrize("sides", [(16, 12, 10), (17, 13, 11)])
def test_probabilities_come_back_without_a_shift(sides):
    """A plane ramp is linear, so that averaging and interpolation keep its values, borders apart."""
    axes = torch.meshgrid(*(torch.arange(float(side)) for side in sides), indexing="ij")
    ramp = torch.stack([axes[0], axes[1] + 2 * axes[2]])
    image = scan(ramp[:1])
    there = Compose(
        [
            Orientationd("image", axcodes="RAS", labels=None),
            WorkingGridd(["image", "label"], [1.0, 1.0, 4.0], allow_missing_keys=True),
        ]
    )
    item = there({"image": image})
    answer = there({"image": scan(ramp)})["image"].as_tensor()
    item["pred"] = MetaTensor(answer, affine=item["image"].affine)
    back = Invertd("pred", there, orig_keys="image", nearest_interp=False, to_tensor=True)(item)["pred"]
    assert back.shape == ramp.shape
    np.testing.assert_allclose(back[:, 3:-3, 3:-3, 3:-3], ramp[:, 3:-3, 3:-3, 3:-3], atol=0.02 * max(sides))
    torch.testing.assert_close(back.affine, AFFINE)


def test_coarse_axis_is_interpolated():
    volume = torch.arange(4.0).reshape(1, 1, 1, 4)
    torch.testing.assert_close(
        resize(volume, [1, 1, 8])[0, 0, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    )


@pytest.mark.parametrize("size", [(7, 5, 9), (14, 9, 23), (4, 3, 4), (7, 5, 1), (3, 9, 9), (9, 2, 10)])
@pytest.mark.parametrize("part_bytes", [1, 2000, 2**28])
def test_slabs_are_resized_as_their_volume(size, part_bytes):
    volume = torch.rand(2, 7, 5, 9)
    slabs = list(resize_slabs(iter(volume.split([2, 1, 3, 3], dim=-1)), 9, size, part_bytes))
    assert max(slab.numel() for slab in slabs) <= max(part_bytes // 4, 2 * size[0] * size[1])
    torch.testing.assert_close(torch.cat(slabs, dim=-1), resize(volume, size))


def test_volume_of_the_wanted_size_is_not_copied():
    volume = torch.rand(2, 3, 4, 5)
    assert resize(volume, (3, 4, 5)) is volume


@pytest.mark.parametrize("spacing_mm", ["fine", [1.0, 1.0], [1, 0, 1], [1, -2, 1], [1, float("nan"), 1], ["a", 1, 1]])
def test_wrong_spacing_is_refused(spacing_mm):
    with pytest.raises(ValueError, match="spacing_mm: must be three numbers above 0, got "):
        WorkingGridd("image", spacing_mm)
