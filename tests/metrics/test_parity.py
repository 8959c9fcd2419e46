"""Metrics against medpy, MONAI, DeepMind's published cases and closed forms."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from medpy.metric import binary
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.random import default_rng
from scipy import ndimage

from llmsegnet_bundle.metrics import case_metrics, surfaces

SPACINGS = [(1.0, 1.0, 1.0), (0.625, 0.625, 0.625), (0.5, 0.8, 2.5)]
LABELS = Path(__file__).parents[3] / "shared" / "data" / "left_atrium" / "labelsTr"


def blobs(seed, shape=(24, 20, 16)):
    """Return two overlapping smooth masks; some touch the border, some fall apart."""
    noise = default_rng(seed).normal(size=(2, *shape))
    first, second = (ndimage.gaussian_filter(part, 2) for part in (noise[0], noise[0] + 0.4 * noise[1]))
    return first > 0.03, second > 0.03


def assert_medpy(pred, label, spacing_mm):
    found = case_metrics(pred, label, spacing_mm)
    assert found["dice"] == pytest.approx(binary.dc(pred, label), abs=1e-12)
    assert found["jaccard"] == pytest.approx(binary.jc(pred, label), abs=1e-12)
    assert found["volume_error"] == pytest.approx(binary.ravd(pred, label), abs=1e-12)
    for unit, spacing in (("voxel", None), ("mm", spacing_mm)):
        assert found[f"hd95_pooled_{unit}"] == pytest.approx(binary.hd95(pred, label, spacing), abs=1e-9)
        assert found[f"hd100_{unit}"] == pytest.approx(binary.hd(pred, label, spacing), abs=1e-9)
        assert found[f"asd_{unit}"] == pytest.approx(binary.asd(pred, label, spacing), abs=1e-9)
        assert found[f"asd_back_{unit}"] == pytest.approx(binary.asd(label, pred, spacing), abs=1e-9)
        assert found[f"assd_{unit}"] == pytest.approx(binary.assd(pred, label, spacing), abs=1e-9)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_medpy(seed, spacing_mm):
    assert_medpy(*blobs(seed), spacing_mm)


@pytest.mark.slow
@pytest.mark.skipif(not LABELS.exists(), reason="../shared/data is absent")
def test_numbers_of_a_real_label_are_those_of_medpy():
    label = np.asarray(nib.load(LABELS / "LA_000.nii.gz").dataobj) == 1
    pred = ndimage.binary_closing(np.roll(label, 2, axis=1), iterations=3)
    assert_medpy(pred, label, (0.625, 0.625, 0.625))


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI 1.6.1 calls itself so
@pytest.mark.parametrize("spacing_mm", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_monai(seed, spacing_mm):
    pred, label = blobs(seed)
    found = case_metrics(pred, label, spacing_mm, tolerance_mm=0.9)
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (pred, label)]
    options = {"include_background": True, "spacing": list(spacing_mm)}
    strict = compute_hausdorff_distance(*pair, percentile=95, **options)
    assert found["hd95_strict_mm"] == pytest.approx(float(strict), rel=1e-5)
    assert found["hd100_mm"] == pytest.approx(float(compute_hausdorff_distance(*pair, **options)), rel=1e-5)
    assert found["asd_mm"] == pytest.approx(float(compute_average_surface_distance(*pair, **options)), rel=1e-5)
    both = compute_average_surface_distance(*pair, symmetric=True, **options)
    assert found["assd_mm"] == pytest.approx(float(both), rel=1e-5)
    surface = compute_surface_dice(*pair, [0.9], use_subvoxels=True, **options)
    assert found["surface_dice"] == pytest.approx(float(surface), rel=1e-5)


def test_surface_dice_of_two_voxels_is_that_of_deepmind():
    # surface-distance, test_on_2_pixels_2mm_away: each surface is 8 cube corners, half of them 1 mm from the other
    pred, label = np.zeros((2, 64, 64, 80), dtype=bool)
    label[50, 60, 70] = pred[50, 60, 72] = True
    assert case_metrics(pred, label, (3.0, 2.0, 1.0))["surface_dice"] == 0.5
    assert case_metrics(pred, label, (3.0, 2.0, 1.0), tolerance_mm=0.99)["surface_dice"] == 0.0
    assert case_metrics(pred, label, (3.0, 2.0, 1.0), tolerance_mm=2)["surface_dice"] == 1.0


def test_surface_dice_of_two_cubes_is_that_of_deepmind():
    # surface-distance, test_two_cubes_shifted_by_one_pixel: they print 0.836 and a volumetric Dice of 0.990
    pred, label = np.zeros((2, 100, 100, 100), dtype=bool)
    label[:50] = pred[:51] = True
    found = case_metrics(pred, label, (2.0, 1.0, 1.0))
    assert found["surface_dice"] == pytest.approx(0.836, abs=5e-4)
    assert found["dice"] == pytest.approx(0.990, abs=5e-4)


def test_surface_dice_taken_in_slabs_is_that_of_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    pred, label = (rng.random((9, 8, 7)) > 0.6 for _ in range(2))
    whole = case_metrics(pred, label, (0.8, 1.1, 2.0), tolerance_mm=0.5)["surface_dice"]
    monkeypatch.setattr(surfaces, "AT_ONCE", 200)
    assert case_metrics(pred, label, (0.8, 1.1, 2.0), tolerance_mm=0.5)["surface_dice"] == whole
    assert 0 < whole < 1


@pytest.mark.parametrize("kind", ["missed", "false_alarm"])
def test_surface_dice_of_one_empty_mask_is_zero_as_of_deepmind(kind):
    full, empty = np.zeros((2, 8, 8, 8), dtype=bool)
    full[3, 3, 3] = True
    found = case_metrics(*((empty, full) if kind == "missed" else (full, empty)), (3.0, 2.0, 1.0))
    assert found["surface_dice"] == 0.0


def ball(radius_mm, center_mm, spacing_mm, size_mm=60.0):
    axes = [np.arange(0, size_mm, step) for step in spacing_mm]
    grid = np.meshgrid(*axes, indexing="ij")
    return sum((x - c) ** 2 for x, c in zip(grid, center_mm, strict=True)) <= radius_mm**2


BALLS = [(1.0, 1.0, 1.0), (0.75, 1.0, 1.5)]


@pytest.mark.parametrize("spacing_mm", BALLS)
def test_concentric_balls_have_the_closed_form(spacing_mm):
    small, large = ball(15, (30, 30, 30), spacing_mm), ball(20, (30, 30, 30), spacing_mm)
    found = case_metrics(small, large, spacing_mm, tolerance_mm=6.5)
    assert found["dice"] == pytest.approx(2 * 15**3 / (15**3 + 20**3), rel=0.015)
    assert found["jaccard"] == pytest.approx((15 / 20) ** 3, rel=0.015)
    assert found["volume_error"] == pytest.approx((15 / 20) ** 3 - 1, rel=0.015)
    assert found["pred_ml"] == pytest.approx(4 / 3 * math.pi * 1.5**3, rel=0.015)
    assert found["label_ml"] == pytest.approx(4 / 3 * math.pi * 2**3, rel=0.015)
    for key in ("asd_mm", "asd_back_mm", "assd_mm", "hd95_pooled_mm", "hd95_strict_mm", "hd100_mm"):
        assert found[key] == pytest.approx(5, abs=max(spacing_mm)), key
    assert found["surface_dice"] == 1.0
    assert case_metrics(small, large, spacing_mm, tolerance_mm=3.0)["surface_dice"] == 0.0


@pytest.mark.parametrize("spacing_mm", BALLS)
def test_shifted_balls_have_the_closed_form(spacing_mm):
    # the lens of two balls of radius r at distance d has 1 - 1.5 x + 0.5 x^3 of a ball's volume, x = d / 2r;
    # a point of one sphere at the cosine c to the shift is |sqrt(r^2 + 2rdc + d^2) - r| from the other: mean, maximum
    radius, shift = 16.0, 6.0
    found = case_metrics(ball(radius, (33, 30, 30), spacing_mm), ball(radius, (27, 30, 30), spacing_mm), spacing_mm)
    x = shift / (2 * radius)
    assert found["dice"] == pytest.approx(1 - 1.5 * x + 0.5 * x**3, rel=0.015)
    assert found["volume_error"] == pytest.approx(0, abs=0.01)
    cosine = np.linspace(-1, 1, 100_001)
    apart = np.abs(np.sqrt(radius**2 + 2 * radius * shift * cosine + shift**2) - radius)  # uniform in c on a sphere
    for key in ("asd_mm", "asd_back_mm", "assd_mm"):  # voxels, not areas: unequal spacing weighs directions unequally
        assert found[key] == pytest.approx(apart.mean(), abs=0.2 if len(set(spacing_mm)) == 1 else 0.5), key
    assert found["hd100_mm"] == pytest.approx(shift, abs=max(spacing_mm) / 2)
    assert found["hd95_pooled_mm"] == pytest.approx(np.percentile(apart, 95), abs=max(spacing_mm) / 2)
