"""Metrics against values worked out by hand, and against a slow computation written apart."""

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.random import default_rng

from llmsegnet_bundle.metrics import case, case_metrics, class_metrics
from llmsegnet_bundle.metrics.case import class_dice

DISTANCES = ["hd95_pooled_voxel", "hd95_pooled_mm", "hd95_strict_voxel", "hd95_strict_mm", "hd100_voxel", "hd100_mm"]
DISTANCES += ["asd_voxel", "asd_mm", "asd_back_voxel", "asd_back_mm", "assd_voxel", "assd_mm"]
MEASURES = ["dice", "jaccard", *DISTANCES, "surface_dice", "volume_error", "pred_ml", "label_ml"]
KEYS = [*MEASURES, "missed", "false_alarm"]
UNIT = (1.0, 1.0, 1.0)


def mask_of(*voxels, shape=(8, 8, 8)):
    mask = np.zeros(shape, dtype=np.uint8)
    for voxel in voxels:
        mask[voxel] = 1
    return mask


def surface_points(mask):
    """Return the voxels of which some face neighbor is outside the mask or the image."""
    inside = {tuple(int(i) for i in voxel) for voxel in np.argwhere(mask)}
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    return np.array(
        [v for v in sorted(inside) if any((v[0] + a, v[1] + b, v[2] + c) not in inside for a, b, c in steps)]
    )


def slow_metrics(pred, label, spacing_mm):
    """Return the distances from all pairs of surface points."""
    found = {}
    for unit, scale in (("voxel", np.ones(3)), ("mm", np.array(spacing_mm))):
        a, b = surface_points(pred) * scale, surface_points(label) * scale
        pairs = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))
        forth, back = pairs.min(axis=1), pairs.min(axis=0)
        found[f"hd95_pooled_{unit}"] = np.percentile([*forth, *back], 95)
        found[f"hd95_strict_{unit}"] = max(np.percentile(forth, 95), np.percentile(back, 95))
        found[f"hd100_{unit}"] = max(*forth, *back)
        found[f"asd_back_{unit}"] = sum(back) / len(back)
        found[f"asd_{unit}"] = sum(forth) / len(forth)
        found[f"assd_{unit}"] = (sum(forth) + sum(back)) / (len(forth) + len(back))
    return {key: found[key] for key in DISTANCES}


def test_keys_are_complete_and_ordered():
    mask = mask_of((3, 3, 3))
    metrics = case_metrics(mask, mask, UNIT)
    assert list(metrics) == KEYS
    assert all(type(value) is float for value in metrics.values())


def test_same_mask_is_perfect():
    mask = mask_of(np.s_[2:5, 2:5, 2:5])
    perfect = dict.fromkeys(("dice", "jaccard", "surface_dice"), 1.0)
    volumes = dict.fromkeys(("pred_ml", "label_ml"), 27 * 6 / 1000)
    assert case_metrics(mask, mask, (1.0, 2.0, 3.0)) == dict.fromkeys(KEYS, 0.0) | perfect | volumes


def test_cube_shifted_by_one_matches_hand_computation():
    # 3^3 cubes, 26 surface voxels each: all but the center. Of pred, the plane ahead (9 voxels) is 1 from label, and
    # so is the voxel at the center of label; the other 16 lie on the surface of label. Mirrored for label.
    pred, label = mask_of(np.s_[3:6, 2:5, 2:5]), mask_of(np.s_[2:5, 2:5, 2:5])
    metrics = case_metrics(pred, label, (0.5, 0.5, 0.5))
    assert metrics["dice"] == pytest.approx(2 * 18 / 54)
    assert metrics["jaccard"] == pytest.approx(18 / 36)
    assert metrics["hd95_pooled_voxel"] == 1.0
    assert metrics["hd95_pooled_mm"] == metrics["hd95_strict_mm"] == 0.5
    assert metrics["asd_voxel"] == pytest.approx(10 / 26)
    assert metrics["asd_mm"] == metrics["assd_mm"] == pytest.approx(5 / 26)


@pytest.mark.parametrize(("voxel", "mm"), [((4, 1, 1), 3.0), ((1, 4, 1), 6.0), ((1, 1, 4), 9.0)])
def test_voxels_three_apart_use_the_spacing_of_their_axis(voxel, mm):
    metrics = case_metrics(mask_of(voxel), mask_of((1, 1, 1)), (1.0, 2.0, 3.0))
    assert metrics["dice"] == metrics["jaccard"] == metrics["missed"] == metrics["false_alarm"] == 0.0
    assert metrics["hd95_pooled_voxel"] == metrics["asd_voxel"] == 3.0
    assert [metrics[key] for key in DISTANCES if key.endswith("_mm")] == [mm] * 6


def test_nearest_voxel_depends_on_spacing():
    # 3 voxels along the first axis (3 mm) or 2 along the last (6 mm): voxels and mm choose different ones
    metrics = case_metrics(mask_of((1, 1, 1)), mask_of((4, 1, 1), (1, 1, 3)), (1.0, 2.0, 3.0))
    assert metrics["asd_voxel"] == 2.0
    assert metrics["asd_mm"] == 3.0
    assert metrics["assd_mm"] == pytest.approx((3 + 3 + 6) / 3)


def test_both_empty_is_perfect_and_distances_are_nan():
    metrics = case_metrics(mask_of(), mask_of(), UNIT)
    assert metrics["dice"] == metrics["jaccard"] == 1.0
    assert metrics["missed"] == metrics["false_alarm"] == 0.0
    assert all(math.isnan(metrics[key]) for key in DISTANCES)


@pytest.mark.parametrize("flag", ["missed", "false_alarm"])
def test_one_empty_mask_gives_the_image_diagonal(flag):
    shape = (3, 4, 12)  # diagonal 13; with the spacing 6, 8, 24: 26
    full, empty = mask_of((1, 1, 1), shape=shape), mask_of(shape=shape)
    metrics = case_metrics(*((empty, full) if flag == "missed" else (full, empty)), (2.0, 2.0, 2.0))
    assert [metrics[key] for key in DISTANCES if key.endswith("_voxel")] == [13.0] * 6
    assert [metrics[key] for key in DISTANCES if key.endswith("_mm")] == [26.0] * 6
    assert metrics["dice"] == metrics["jaccard"] == 0.0
    assert metrics[flag] == 1.0
    assert metrics["missed"] + metrics["false_alarm"] == 1.0


@pytest.mark.parametrize("masks", [((1, 1, 1), None), (None, (1, 1, 1)), (None, None)])
def test_empty_zero_counts_all_as_zero(masks):
    pred, label = (mask_of() if voxel is None else mask_of(voxel) for voxel in masks)
    metrics = case_metrics(pred, label, UNIT, empty="zero")
    assert [metrics[key] for key in ("dice", "jaccard", *DISTANCES)] == [0.0] * 14
    assert (metrics["missed"], metrics["false_alarm"]) == (
        float(masks == (None, (1, 1, 1))),
        float(masks[0] is not None),
    )


def test_empty_zero_changes_nothing_else():
    pair = mask_of((1, 1, 1)), mask_of((1, 2, 1))
    assert case_metrics(*pair, UNIT, empty="zero") == case_metrics(*pair, UNIT)


def test_volumes_are_ml_and_signed():
    metrics = case_metrics(mask_of(np.s_[0:2, 0:2, 0]), mask_of(np.s_[0:5, 0:2, 0]), (10.0, 10.0, 5.0))
    assert (metrics["pred_ml"], metrics["label_ml"]) == (2.0, 5.0)
    assert metrics["volume_error"] == pytest.approx(-0.6)
    assert math.isnan(case_metrics(mask_of((1, 1, 1)), mask_of(), UNIT)["volume_error"])
    assert case_metrics(mask_of(), mask_of((1, 1, 1)), UNIT)["volume_error"] == -1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"empty": "nan"}, "empty must be diagonal or zero, got 'nan'"),
        ({"tolerance_mm": -1}, "tolerance_mm must be a number of at least 0, got -1"),
        ({"tolerance_mm": math.nan}, "tolerance_mm must be a number of at least 0, got nan"),
        ({"tolerance_mm": "1"}, "tolerance_mm must be a number of at least 0, got '1'"),
    ],
)
def test_bad_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        case_metrics(mask_of(), mask_of(), UNIT, **options)


def test_diagonal_of_a_miss_uses_every_spacing():
    metrics = case_metrics(mask_of(shape=(3, 2, 4)), mask_of((0, 0, 0), shape=(3, 2, 4)), (1.0, 2.0, 3.0))
    assert metrics["hd95_pooled_mm"] == pytest.approx(13.0)  # 3, 4, 12
    assert metrics["hd95_pooled_voxel"] == pytest.approx(math.sqrt(29))


def test_pooled_and_strict_hd95_differ_on_a_far_voxel():
    # label is a row of 19 voxels; pred the same row and one voxel 10 away. Pooled: one 10 among 39 distances, at
    # rank 38, and the percentile is at rank 36.1, so 0. Strict: one 10 among pred's 20 distances, the percentile at
    # rank 18.05 between 0 and 10, so 0.5.
    label = mask_of(np.s_[0:19, 0, 0], shape=(19, 11, 2))
    pred = label.copy()
    pred[0, 10, 0] = 1
    metrics = case_metrics(pred, label, (2.0, 2.0, 2.0))
    assert metrics["hd95_pooled_voxel"] == metrics["hd95_pooled_mm"] == 0.0
    assert metrics["hd95_strict_mm"] == pytest.approx(1.0)
    assert metrics["asd_voxel"] == pytest.approx(10 / 20)
    assert metrics["assd_mm"] == pytest.approx(20 / 39)


def test_asd_is_directed_from_prediction_to_label():
    one, two = mask_of((1, 1, 1)), mask_of((1, 1, 1), (1, 1, 5))
    assert case_metrics(one, two, UNIT)["asd_voxel"] == 0.0
    assert case_metrics(two, one, UNIT)["asd_voxel"] == 2.0
    assert case_metrics(one, two, UNIT)["assd_mm"] == case_metrics(two, one, UNIT)["assd_mm"] == pytest.approx(4 / 3)


def test_mask_touching_the_border_has_its_surface_there():
    # the full image's surface is its border; the center, the only voxel of pred, is 1 from the centers of the faces
    full = np.ones((3, 3, 3))
    metrics = case_metrics(mask_of((1, 1, 1), shape=(3, 3, 3)), full, UNIT)
    assert metrics["asd_voxel"] == 1.0
    back = 6 * 1 + 12 * math.sqrt(2) + 8 * math.sqrt(3)  # faces, edges, corners
    assert metrics["assd_mm"] == pytest.approx((1 + back) / 27)
    assert metrics["hd95_pooled_voxel"] == pytest.approx(math.sqrt(3))


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.6, 1.1, 2.5)])
@pytest.mark.parametrize("seed", range(4))
def test_random_masks_match_all_pairs(seed, spacing_mm):
    rng = default_rng(seed)
    low, high = [(0, 9), (2, 7), (0, 5), (4, 9)][seed]  # touching all borders, none, one side, the other
    pred, label = np.zeros((2, 9, 9, 9), dtype=bool)
    box = np.s_[low:high, low:high, low:high]
    pred[box] = rng.random(pred[box].shape) < 0.7
    label[box] = rng.random(label[box].shape) < 0.4
    metrics = case_metrics(pred, label, spacing_mm)
    assert {key: metrics[key] for key in DISTANCES} == pytest.approx(slow_metrics(pred, label, spacing_mm))
    dice = 2 * (pred & label).sum() / (pred.sum() + label.sum())
    assert metrics["dice"] == pytest.approx(dice)
    assert metrics["jaccard"] == pytest.approx(dice / (2 - dice))


@pytest.mark.parametrize("kind", [torch.BoolTensor, torch.LongTensor, torch.FloatTensor, MetaTensor])
def test_tensors_give_the_numbers_of_arrays(kind):
    pred, label = mask_of((1, 1, 1), (1, 2, 1)), mask_of((1, 1, 1), (4, 4, 4))
    convert = kind if kind is MetaTensor else lambda tensor: tensor.type(kind)
    tensors = [convert(torch.from_numpy(mask)) for mask in (pred, label)]
    assert case_metrics(*tensors, torch.tensor([1.0, 2.0, 3.0])) == case_metrics(pred, label, (1, 2, 3))


def test_inputs_stay_as_they_were():
    pred, label = mask_of((1, 1, 1)), mask_of((2, 2, 2))
    case_metrics(pred, label, UNIT)
    np.testing.assert_array_equal(pred, mask_of((1, 1, 1)))
    np.testing.assert_array_equal(label, mask_of((2, 2, 2)))


@pytest.mark.parametrize(
    ("pred", "label", "message"),
    [
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), r"must have one shape, got \(2, 2, 2\) and \(2, 2, 3\)"),
        (np.zeros((2, 2)), np.zeros((2, 2)), r"pred must be 3-D \(H, W, D\), got shape \(2, 2\)"),
        (torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2), "pred must be 3-D"),
        (np.full((2, 2, 2), 2), np.zeros((2, 2, 2)), "pred must hold only integers from 0 to 1, got 2"),
        (np.zeros((2, 2, 2)), np.full((2, 2, 2), 0.5), "label must hold only integers from 0 to 1, got 0.5"),
        (np.full((2, 2, 2), -1), np.zeros((2, 2, 2)), "pred must hold only integers from 0 to 1, got -1"),
        (np.zeros((2, 2, 2)), np.full((2, 2, 2), np.nan), "label must hold only integers from 0 to 1, got nan"),
    ],
)
def test_bad_masks_raise(pred, label, message):
    with pytest.raises(ValueError, match=message):
        case_metrics(pred, label, UNIT)


@pytest.mark.parametrize(
    "spacing_mm",
    [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0), (1.0, math.inf, 1.0), 1.0, "abc", None],
)
def test_bad_spacing_raises(spacing_mm):
    with pytest.raises(ValueError, match="spacing_mm must be 3 positive numbers, got"):
        case_metrics(mask_of(), mask_of(), spacing_mm)


def test_region_is_the_union_of_its_classes():
    pred, label = mask_of((1, 1, 1)) + 2 * mask_of((1, 1, 2)), 2 * mask_of((1, 1, 1)) + mask_of((1, 1, 2))
    scores = class_metrics(pred, label, UNIT, ("background", "edema", "core"), {"whole": [1, 2], "core alone": (2,)})
    assert {name: score["dice"] for name, score in scores.items()} == {
        "edema": 0.0,
        "core": 0.0,
        "whole": 1.0,
        "core alone": 0.0,
    }
    assert scores["whole"] == case_metrics(pred > 0, label > 0, UNIT)


def test_four_exclusive_classes_give_the_nested_regions_of_brats():
    names, regions = ("background", "necrosis", "edema", "enhancing"), {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}
    pred, label = np.zeros((2, 8, 1, 1), np.uint8)
    label[:, 0, 0] = [0, 2, 2, 3, 1, 1, 3, 2]
    pred[:, 0, 0] = [2, 2, 0, 3, 3, 1, 3, 3]
    scores = class_metrics(pred, label, UNIT, names, regions)
    assert {name: score["dice"] for name, score in scores.items()} == {
        "necrosis": 2 / 3,  # 1 shared of 1 and 2
        "edema": 2 / 5,  # 1 shared of 2 and 3
        "enhancing": 4 / 6,  # 2 shared of 4 and 2
        "WT": 12 / 14,  # 6 shared of 7 and 7
        "TC": 8 / 9,  # 4 shared of 5 and 4
        "ET": 4 / 6,
    }


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"heart": [1]}, "regions must have other names than the classes, got 'heart'"),
        ({"whole": []}, r"region 'whole' must list indices from 1 to 2 once, got \[\]"),
        ({"whole": [1, 1]}, "region 'whole' must list indices from 1 to 2 once"),
        ({"whole": [0, 1]}, "region 'whole' must list indices from 1 to 2 once"),
        ({"whole": [1, 3]}, "region 'whole' must list indices from 1 to 2 once"),
        ({"whole": 1}, "region 'whole' must list indices from 1 to 2 once, got 1"),
        (["whole"], "regions must be names with class indices"),
    ],
)
def test_bad_regions_raise(regions, message):
    with pytest.raises(ValueError, match=message):
        class_metrics(mask_of(), mask_of(), UNIT, CLASSES, regions)


CLASSES = ("background", "heart", "tumor")


def test_dice_at_once_is_that_of_all_metrics(monkeypatch):
    monkeypatch.setattr(case, "AT_ONCE", 50)  # voxels
    rng = np.random.default_rng(0)
    pred, label = (rng.integers(0, 4, (6, 7, 8)) for _ in range(2))
    label[label == 3] = 0
    names, regions = ("background", "a", "b", "c", "d"), {"ab": [1, 2], "cd": [3, 4]}
    for empty in ("diagonal", "zero"):
        full = class_metrics(pred, label, (1.0, 1.0, 1.0), names, regions, empty)
        fast = class_dice(pred, label, names, regions, empty)
        assert {name: scores["dice"] for name, scores in full.items()} == pytest.approx(
            {name: scores["dice"] for name, scores in fast.items()}
        )
        assert {name for name, scores in fast.items() if scores["in_label"]} == {"a", "b", "ab"}
