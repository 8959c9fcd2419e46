import numpy as np
import pytest
from scipy.stats import spearmanr

from llmsegnet_bundle.annotation.ranking import correlation, describe, picked_error, random_errors
from llmsegnet_bundle.inference.doubts import DOUBTS

ERROR = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_correlation_is_spearmans_within_its_interval():
    doubt = [1.0, 3.0, 2.0, 2.0, 5.0, 4.0]
    rho, low, high = correlation(doubt, ERROR)
    assert rho == pytest.approx(spearmanr(doubt, ERROR).statistic)
    assert -1 <= low < rho < high <= 1


def test_interval_is_that_of_scipy_on_the_same_draws():
    doubt, count = [1.0, 3.0, 2.0, 2.5, 5.0, 4.0], 6
    drawn = np.random.default_rng(0).integers(count, size=(10_000, count))
    found = [spearmanr(np.array(doubt)[one], np.array(ERROR)[one]).statistic for one in drawn[:200] if len({*one}) > 1]
    _, low, high = correlation(doubt, ERROR)
    assert np.percentile(found, 2.5) == pytest.approx(low, abs=0.15)
    assert np.percentile(found, 97.5) == pytest.approx(high, abs=0.15)


@pytest.mark.parametrize(("doubt", "wanted"), [(ERROR, 1.0), (ERROR[::-1], -1.0)])
def test_same_order_correlates_fully(doubt, wanted):
    assert correlation(doubt, ERROR) == pytest.approx((wanted, wanted, wanted))


def test_picks_are_those_of_the_largest_doubt():
    assert picked_error([0, 9, 1, 8, 2, 3], ERROR, 2) == pytest.approx(0.3)


def test_random_picks_lie_around_the_mean():
    mean, low, high = random_errors(ERROR, 3)
    assert mean == pytest.approx(0.35)
    assert 0.2 <= low < mean < high <= 0.5


def test_study_is_told_in_two_tables():
    rows = [
        {"case": f"{i}", "part": "validation", "dice": f"{1 - e}", "label_ml": f"{e}", **dict.fromkeys(DOUBTS, f"{e}")}
        for i, e in enumerate(ERROR)
    ]
    lines = describe(rows)
    assert lines[2] == "| doubt | all (6 scans) | validation (6 scans) |"
    assert "| soft_gap | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] |" in lines
    assert "| picked by | 5 scans |" in lines
    assert "| soft_gap | 0.400 |" in lines
    assert "| small label | -1.00 [-1.00, -1.00] | -1.00 [-1.00, -1.00] |" in lines
    assert lines[-1].startswith("| random | 0.350 [0.3")
