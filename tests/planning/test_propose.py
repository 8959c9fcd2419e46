import math

import numpy as np
import pytest

from llmsegnet_bundle.datalist.survey import ScanFacts
from llmsegnet_bundle.planning import propose as module
from llmsegnet_bundle.planning.propose import LARGEST_CROP, crop_for, propose


def facts(size=(100, 100, 100), spacing_mm=(1.0, 1.0, 1.0), values=(0, 1), intensities=(0.0, 100.0)):
    sample = np.empty(0) if values is None else np.linspace(*intensities, 1001)
    return ScanFacts(size, spacing_mm, values, None if values is None else 10.0, None, sample)


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device: 10**12)


def settings(scans, modality="MR"):
    return propose(scans, modality, "cpu").settings


def test_small_scans_give_a_crop_of_their_size():
    assert crop_for((64, 60, 50), LARGEST_CROP) == [64, 64, 64]
    assert crop_for((20, 30, 10), LARGEST_CROP) == [48, 48, 48]


@pytest.mark.parametrize("size", [(512, 512, 90), (300, 280, 600), (240, 240, 155), (160, 160, 48), (48, 48, 900)])
@pytest.mark.parametrize("most", [LARGEST_CROP, 300_000])
def test_large_scans_give_a_crop_within_the_budget_and_in_their_proportions(size, most):
    crop = crop_for(size, most)
    assert math.prod(crop) <= most
    assert crop[0] == crop[1]
    assert all(side % 16 == 0 and side >= 48 for side in crop)
    whole = max(size[:2]) ** 2 * size[2]
    assert math.prod(crop) > 0.6 * min(most, whole)
    shares = crop[0] / max(size[:2]), crop[2] / size[2]
    assert 0.6 < shares[0] / shares[1] < 1.6 or 48 in crop


def test_little_memory_gives_a_smaller_crop(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device: 2 * 10**9)
    assert math.prod(settings([facts((300, 300, 300))] * 5)["crop"]) < 2 * 10**9 / 4 / 900


def test_spacing_is_the_median_unless_an_axis_is_coarse_with_few_slices():
    even = [facts(spacing_mm=(0.5, 0.5, step)) for step in (0.5, 1.0, 3.0)]
    assert settings(even)["spacing_mm"] == [0.5, 0.5, 1.0]
    coarse = [facts((400, 400, 40), (0.5, 0.5, step)) for step in (2.0, 5.0, 5.0, 5.0, 5.0)]
    assert settings(coarse)["spacing_mm"] == pytest.approx([0.5, 0.5, np.percentile([2, 5, 5, 5, 5], 10)])


def test_a_fifth_of_the_labeled_scans_validates_and_few_labels_weigh_less():
    assert settings([facts()] * 10)["validation"] == 2
    assert settings([facts()] * 2)["validation"] == 1
    assert settings([facts()] * 10)["unsupervised_weight"] == 1.0
    assert settings([facts()] * 10 + [facts(values=None)] * 100)["unsupervised_weight"] == 0.3


def test_ct_gets_one_window_and_no_rotation():
    found = settings([facts(intensities=(-50.0, 150.0))] * 3, "CT")
    (window,) = found["intensity_transforms"]
    assert (window["a_min"], window["a_max"]) == (-49.0, 149.0)
    assert found["augment_transforms"] == []
    (scaling,) = settings([facts()] * 3, "MR")["intensity_transforms"]
    assert scaling["_target_"] == "ScaleIntensityRangePercentilesd"


def test_classes_are_those_of_the_labels():
    assert settings([facts(values=(0, 2, 3)), facts()])["classes"] == 4
    with pytest.raises(ValueError, match="no label holds anything but background"):
        propose([facts()._replace(intensities=np.empty(0))] * 2, "MR", "cpu")
    with pytest.raises(ValueError, match="the labels hold 0, 255; renumber them"):
        propose([facts(values=(0, 255))] * 2, "MR", "cpu")


def test_every_setting_has_its_reason():
    for modality in ("CT", "MR"):
        plan = propose([facts()] * 4, modality, "cpu")
        assert plan.settings.keys() == plan.reasons.keys()
