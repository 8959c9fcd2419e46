import pytest
import torch

from llmsegnet_bundle.inference.doubts import DOUBTS, doubts


def pair(alpha, beta):
    """Probabilities of two networks from their foreground's, (H, W, D) each."""
    return torch.stack([1 - alpha, alpha, 1 - beta, beta])


def box(size):
    volume = torch.zeros(12, 12, 12)
    volume[4 : 4 + size, 4:8, 4:8] = 1
    return volume


def test_networks_that_are_sure_of_the_same_leave_no_doubt():
    assert doubts(pair(box(4), box(4))) == pytest.approx(dict.fromkeys(DOUBTS, 0.0))


def test_nothing_found_is_all_doubt():
    assert doubts(pair(box(0), box(0))) == dict.fromkeys(DOUBTS, 1.0)


def test_doubts_of_networks_that_differ_are_those_of_the_formulas():
    # alpha finds A and as much beside it, which beta is as sure is background: the mean has 1 in A and 0.5 in B
    found = doubts(pair(box(4), box(2)))
    assert found["dice_gap"] == pytest.approx(1 - 2 * 1 / (1 + 2))
    assert found["disagreement"] == found["entropy"] == pytest.approx(1 / 2)
    assert found["soft_gap"] == pytest.approx(1 - 2 * 1 / (1 + 1.5))
    assert 0 < found["band_entropy"] < 1


def test_doubt_of_several_classes_counts_a_voxel_that_two_call_differently():
    probs = torch.zeros(6, 4, 4, 4)  # of three classes each
    probs[1], probs[4] = 1.0, 1.0
    probs[1, :2], probs[2, :2] = 0.6, 0.4
    probs[4, :2], probs[5, :2] = 0.3, 0.7
    found = doubts(probs)
    assert found["dice_gap"] == pytest.approx(0.5)
    assert found["soft_gap"] == pytest.approx(1 - 2 * (0.55 + 1) / (2 + 2))


def test_networks_without_any_agreed_voxel_are_told_by_the_mean():
    assert doubts(pair(0.4 * box(4), 0.4 * box(4))) == dict.fromkeys(DOUBTS, 1.0)


def test_band_of_a_mask_that_fills_the_scan_is_the_mask():
    full = torch.ones(4, 4, 4)
    assert doubts(pair(full, full))["band_entropy"] == 0.0
