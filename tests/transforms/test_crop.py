import time

import numpy as np
import pytest
import torch
from monai.transforms import RandAdjustContrastd, RandRotate90d, Rotate90d
from torch.nn import functional as F

from llmsegnet_bundle.transforms import AffineCropd
from llmsegnet_bundle.transforms.crop import check_turns

STILL = {"rotate_deg": (0, 0, 0), "scale": 0.0, "mirror": (0, 0, 0)}


class Largest(np.random.RandomState):
    """Draws the largest angle."""

    def uniform(self, low, high):
        return high


def item(sides, classes=2):
    label = F.one_hot(torch.randint(classes, sides), classes).movedim(-1, 0)
    return {"image": torch.rand(1, *sides), "label": label.half()}


def drawn(transform, data, seed=0):
    return transform.set_random_state(seed=seed)(data)


def test_whole_scan_without_turning_is_the_scan():
    data = item((6, 7, 8))
    crop = drawn(AffineCropd(["image", "label"], (6, 7, 8), **STILL), data)
    torch.testing.assert_close(crop["image"], data["image"])
    torch.testing.assert_close(crop["label"], data["label"].float())


def test_mirror_of_an_axis_alone():
    data = item((6, 7, 8))
    crop = drawn(AffineCropd(["image", "label"], (6, 7, 8), **(STILL | {"mirror": (0, 1, 0)})), data)
    torch.testing.assert_close(crop["image"], data["image"].flip(2))


def test_crop_lies_in_the_scan_and_moves():
    data = {"image": torch.ones(1, 40, 30, 20)}
    transform = AffineCropd("image", (8, 9, 10), **STILL)
    crops = [drawn(transform, data, seed)["image"] for seed in range(4)]
    assert all(torch.allclose(crop, torch.ones(1, 8, 9, 10)) for crop in crops)
    assert (
        len(
            {
                tuple(transform.set_random_state(seed=seed).center)
                for seed in range(4)
                if not transform.randomize((40, 30, 20))
            }
        )
        > 1
    )


def test_outside_of_the_scan_is_background():
    data = {"image": torch.ones(1, 4, 4, 4), "label": torch.stack([torch.zeros(4, 4, 4), torch.ones(4, 4, 4)] * 2)}
    crop = drawn(AffineCropd(["image", "label"], (8, 8, 8), **STILL), data)
    assert crop["image"][0, 0].abs().max() == 0
    assert (crop["label"][::2, 0] == 1).all()
    torch.testing.assert_close(crop["label"].unflatten(0, (2, 2)).sum(1), torch.ones(2, 8, 8, 8))


def test_quarter_turn_moves_voxels_as_a_rotation():
    data = item((8, 8, 6))
    transform = AffineCropd(["image", "label"], (8, 8, 6), **(STILL | {"rotate_deg": (0, 0, 90)}))
    transform.R = Largest()
    crop = transform(data)
    torch.testing.assert_close(crop["image"], data["image"].rot90(-1, (1, 2)), atol=1e-4, rtol=0)
    torch.testing.assert_close(crop["label"], data["label"].float().rot90(-1, (1, 2)), atol=1e-4, rtol=0)


def test_angles_are_true_on_an_anisotropic_grid():
    """A quarter turn about x takes one voxel along z (4 mm) for four along y (1 mm)."""
    transform = AffineCropd("image", (4, 16, 4), (1.0, 1.0, 4.0), **(STILL | {"rotate_deg": (90, 0, 0)}))
    transform.R = Largest()
    transform.randomize((4, 16, 4))
    torch.testing.assert_close(
        torch.tensor(transform.matrix), torch.tensor([[1, 0, 0], [0, 0, -4], [0, 0.25, 0]], dtype=torch.float64)
    )


def test_same_seed_same_crop_of_image_and_label():
    data = item((20, 21, 22))
    data["image"] = data["label"][1:].float()
    transform = AffineCropd(["image", "label"], (12, 10, 8))
    first, second, other = (drawn(transform, data, seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first["image"], first["label"][1:])
    torch.testing.assert_close(first["image"], second["image"], rtol=0, atol=0)
    assert not torch.equal(first["image"], other["image"])


def test_the_scan_is_not_changed():
    data = item((12, 12, 12))
    before = {key: value.clone() for key, value in data.items()}
    drawn(AffineCropd(["image", "label"], (8, 8, 8)), data)
    assert all(torch.equal(data[key], before[key]) for key in before)


@pytest.mark.parametrize("wrong", [{"rotate_deg": (-1, 0, 0)}, {"scale": -0.1}, {"mirror": (0, 2, 0)}])
def test_wrong_limits_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: must be in 0 .. "):
        AffineCropd("image", (8, 8, 8), **wrong)


def test_crop_of_200_000_voxels_takes_hundredths_of_a_second():
    data = item((97, 71, 44))
    transform = AffineCropd(["image", "label"], (64, 64, 48))
    drawn(transform, data)
    began = time.process_time()
    for seed in range(5):
        drawn(transform, data, seed)
    assert (time.process_time() - began) / 5 < 0.25  # 0.03 s on a quiet core


@pytest.mark.parametrize("turn", [RandRotate90d("image"), Rotate90d("image")])
def test_right_angles_are_refused_where_they_change_the_shape_of_a_crop(turn):
    with pytest.raises(
        ValueError, match=rf"crop: {type(turn).__name__} of augment_transforms turns \[64, 48, 48\] to .*2"
    ):
        check_turns([RandAdjustContrastd("image"), turn], (64, 48, 48))
    check_turns([turn], (48, 48, 64))
    check_turns([RandRotate90d("image", spatial_axes=(1, 2))], (64, 48, 48))
