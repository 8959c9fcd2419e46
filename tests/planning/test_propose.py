import math

import numpy as np
import pytest

from llmsegnet_bundle.cases.survey import ScanFacts
from llmsegnet_bundle.planning import propose as module
from llmsegnet_bundle.planning.propose import LARGEST_CROP, crop_for, propose


def facts(size=(100, 100, 100), spacing_mm=(1.0, 1.0, 1.0), values=(0, 1), intensities=(0.0, 100.0)):
    sample = np.empty(0) if values is None else np.linspace(*intensities, 1001)
    return ScanFacts(size, spacing_mm, values, None if values is None else 10.0, None, sample)


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device: 10**12)
    monkeypatch.setattr(module, "has_bf16", lambda device: True)


def settings(scans, modality="MR", device="cuda"):
    return propose(scans, modality, device).settings


ISOTROPIC = (16, 16, 16)


def test_small_scans_give_a_crop_of_their_size():
    assert crop_for((64, 60, 50), ISOTROPIC, LARGEST_CROP) == [64, 64, 64]
    assert crop_for((20, 30, 10), ISOTROPIC, LARGEST_CROP) == [48, 48, 48]
    assert crop_for((237, 208, 10), (16, 16, 2), LARGEST_CROP) == [240, 208, 10]


@pytest.mark.parametrize("size", [(512, 512, 90), (300, 280, 600), (240, 240, 155), (160, 160, 48), (48, 48, 900)])
@pytest.mark.parametrize("most", [LARGEST_CROP, 300_000])
@pytest.mark.parametrize("multiples", [ISOTROPIC, (16, 16, 4)])
def test_large_scans_give_a_crop_within_the_budget_and_in_their_proportions(size, most, multiples):
    crop = crop_for(size, multiples, most)
    assert math.prod(crop) <= most
    assert all(side % step == 0 and side >= 3 * step for side, step in zip(crop, multiples, strict=True))
    assert math.prod(crop) > 0.6 * min(most, math.prod(size))
    shares = [side / whole for side, whole in zip(crop, size, strict=True)]
    assert max(shares) < 1.6 * min(shares) or 48 in crop


def test_thick_slices_are_neither_padded_nor_halved_in_vain():
    plan = propose([facts((237, 208, 10), (1.5, 1.5, 10.0))] * 4, "MR", "cuda")
    assert plan.settings["spacing_mm"] == [1.5, 1.5, 10.0]
    assert plan.settings["crop"] == [240, 208, 10]
    assert plan.settings["rotate_deg"] == [0, 0, 180]
    assert plan.settings["scale"] == 0.5
    assert plan.settings["strides"] == [(2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1)]
    assert plan.multiples == [16, 16, 2]
    assert plan.settings["kernels"] == [(3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3)]


def test_cpu_gets_a_coarser_grid_and_a_smaller_crop_than_a_gpu():
    scans = [facts((196, 144, 88), (0.625, 0.625, 0.625))] * 4
    fine, coarse = (settings(scans, device=device) for device in ("cuda", "cpu"))
    assert (fine["spacing_mm"], fine["crop"]) == ([0.625] * 3, [144, 96, 64])
    assert coarse["spacing_mm"] == pytest.approx([1.0664] * 3, abs=1e-3)
    assert math.prod(coarse["crop"]) <= 250_000
    assert settings([facts((512, 512, 200), (0.8, 0.8, 3.0))] * 4, device="cpu")["spacing_mm"] == [1.6, 1.6, 3.0]


def test_isotropic_scans_get_the_network_of_the_recipe():
    plan = propose([facts()] * 4, "MR", "cuda")
    assert not {"strides", "kernels"} & set(plan.settings)
    assert plan.settings["crop"] == [96, 96, 96]


def test_network_that_halves_less_gets_a_smaller_crop_for_the_same_memory(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device: 2 * 10**9)
    thick = math.prod(settings([facts((300, 300, 30), (1.0, 1.0, 8.0))] * 5)["crop"])
    assert thick < 0.7 * math.prod(settings([facts((300, 300, 30))] * 5)["crop"])


def test_little_memory_gives_a_smaller_crop(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device: 2 * 10**9)
    assert math.prod(settings([facts((300, 300, 300))] * 5)["crop"]) < 2 * 10**9 / 4 / 900


def test_scans_that_memory_does_not_hold_are_cut_from_disk(monkeypatch):
    scans = [facts()] * 5 + [facts(values=None)] * 95  # of 100^3 voxels: 3 bytes each, unlabeled ones 10
    assert "cache_mode" not in settings(scans)
    monkeypatch.setattr(module, "free_bytes", lambda device: 2 * 10**9)
    assert "cache_mode" not in settings(scans)
    monkeypatch.setattr(module, "free_bytes", lambda device: int(1.9 * 10**9))
    plan = propose(scans, "MR", "cuda")
    assert plan.settings["cache_mode"] == "disk"
    assert "100 scans and their targets take 1.0 GB, 0.9 GB are there" in plan.reasons["cache_mode"]


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
    for modality, spacing_mm in (("CT", (1.0, 1.0, 1.0)), ("MR", (1.0, 1.0, 10.0))):
        plan = propose([facts(spacing_mm=spacing_mm)] * 4, modality, "cpu")
        assert plan.settings.keys() == plan.reasons.keys()
