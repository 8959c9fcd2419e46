import math

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn

from llmsegnet_bundle.handlers import Average


def follow(average, network, steps):
    """Train by adding 1 to each weight and buffer."""

    def step(engine, batch):
        with torch.no_grad():
            for tensor in [*network.parameters(), network.running_mean]:
                tensor += 1
        engine.fire_event(IterationEvents.MODEL_COMPLETED)

    engine = Engine(step)
    engine.register_events(*IterationEvents)
    average.attach(engine)
    engine.run([0] * steps, max_epochs=1)


def expected(start, steps, decay):
    value = start + 1  # the first step copies
    for n in range(1, steps):
        d = min(decay, (1 + n) / (10 + n))
        value = d * value + (1 - d) * (start + 1 + n)
    return value


@pytest.mark.parametrize("decay", [0.3, 0.99])
def test_average_of_weights_and_buffers_is_the_formula(decay):
    network = nn.BatchNorm1d(2)
    average = Average(network, decay)
    with torch.no_grad():
        network.weight.fill_(5)  # loaded after the handler was made
    follow(average, network, 6)
    assert average.network.weight[0].item() == pytest.approx(expected(5, 6, decay), rel=1e-5)
    assert average.network.running_mean[0].item() == pytest.approx(expected(0, 6, decay), rel=1e-5)
    assert network.weight[0].item() == 11


def test_continued_average_equals_an_uninterrupted_one():
    whole, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    one = Average(whole, 0.9)
    follow(one, whole, 7)
    first = Average(network, 0.9)
    follow(first, network, 3)
    second = Average(network, 0.9)
    second.load_state_dict(first.state_dict())
    follow(second, network, 4)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), second.state_dict().values(), strict=True))


def test_average_is_the_loaded_network_before_the_first_step():
    network = nn.BatchNorm1d(2)
    average = Average(network, 0.9)
    network.load_state_dict(network.state_dict() | {"weight": torch.full((2,), 5.0)})
    seen = []
    engine = Engine(lambda engine, batch: seen.append(average.network.weight[0].item()))
    engine.register_events(*IterationEvents)
    average.attach(engine)
    engine.run([0], max_epochs=1)
    assert seen == [5]


@pytest.mark.parametrize("decay", [None, "none"])
def test_without_a_decay_it_is_the_network_itself(decay):
    network = nn.BatchNorm1d(2)
    average = Average(network, decay)
    follow(average, network, 2)
    assert average.network is network
    assert average.state_dict() == {}


@pytest.mark.parametrize("decay", [-0.1, 1.1, math.nan, "fast", True])
def test_a_decay_outside_0_to_1_is_refused(decay):
    with pytest.raises(ValueError, match=r"ema: must be none, or a decay in 0 \.\. 1, got "):
        Average(nn.BatchNorm1d(2), decay)
