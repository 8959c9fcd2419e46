import math

import pytest

from llmsegnet_bundle.ramps import epochs, iters_of_passes, poly_decay, sigmoid_ramp, total_steps


def test_sigmoid_ramp_equals_closed_form():
    assert sigmoid_ramp(0, 160, 0.3) == pytest.approx(0.3 * math.exp(-5))
    assert sigmoid_ramp(80, 160, 0.3) == pytest.approx(0.3 * math.exp(-1.25))
    assert sigmoid_ramp(160, 160, 0.3) == sigmoid_ramp(9999, 160, 0.3) == 0.3
    assert sigmoid_ramp(0, 0, 0.3) == 0.3


def test_poly_decay_equals_closed_form():
    assert [poly_decay(t, 10) for t in (0, 5, 10, 11)] == pytest.approx([1.0, 0.5**0.9, 0.0, 0.0])


@pytest.mark.parametrize(("epochs", "steps"), [(3, 250), (2, 200), (5, 500)])
def test_total_steps_follows_an_explicit_max_epochs(epochs, steps):
    assert total_steps(250, 100, epochs) == steps


def test_ramp_waits_until_its_start():
    assert [sigmoid_ramp(step, 4, 2.0, ramp_start=10) for step in (0, 9)] == [0.0, 0.0]
    assert sigmoid_ramp(12, 4, 2.0, ramp_start=10) == sigmoid_ramp(2, 4, 2.0)
    assert sigmoid_ramp(14, 4, 2.0, ramp_start=10) == 2.0


def test_passes_are_whole_batches_of_all_processes():
    assert iters_of_passes(40, range(8), [2, 2]) == 160
    assert iters_of_passes(40, range(9), [2, 2], ranks=2) == 120


@pytest.mark.parametrize(
    ("steps", "message"), [((0, 5), "max_steps: .*, got 0"), ((5, 2.5), "val_interval: .*, got 2.5")]
)
def test_steps_that_are_none_are_refused(steps, message):
    assert epochs(11, 5) == 3
    with pytest.raises(ValueError, match=message):
        epochs(*steps)
