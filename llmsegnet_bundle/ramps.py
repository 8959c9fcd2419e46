"""Schedules over training steps."""

import math
from collections.abc import Sequence
from typing import Any


def sigmoid_ramp(step: int, ramp_iters: int, weight: float, ramp_start: int = 0) -> float:
    """Return the loss weight w(t) = W * exp(-5 * (1 - min((t - t_0) / T, 1))^2), 0 for t < t_0, the authors'.

    Args:
        step: t, steps done.
        ramp_iters: T, steps from the start until the full weight; 0 for the full weight at once.
        weight: W, the full weight.
        ramp_start: t_0, steps without unlabeled crops; 0 in the paper.
    """
    if step < ramp_start:
        return 0.0
    if ramp_iters <= 0:
        return weight
    return weight * math.exp(-5.0 * (1.0 - min((step - ramp_start) / ramp_iters, 1.0)) ** 2)


def poly_decay(step: int, total_steps: int, power: float = 0.9) -> float:
    """Return the learning-rate factor (1 - t / total)^power, 0 from the last step on."""
    return max(0.0, 1.0 - step / total_steps) ** power


def iters_of_passes(passes: float, scans: Sequence[Any], batch: Sequence[int], ranks: int = 1) -> float:
    """Return the steps of so many passes over the labeled scans, by all processes, each of whole batches."""
    return passes * math.ceil(len(scans) / (batch[0] * ranks))


def epochs(max_steps: int, val_interval: int) -> int:
    """Return the epochs of `val_interval` steps that hold `max_steps`, of which the last may be shorter.

    Raises:
        ValueError: when one of the two is no whole number of at least 1.
    """
    for name, value in (("max_steps", max_steps), ("val_interval", val_interval)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name}: must be a whole number of at least 1, got {value}")
    return math.ceil(max_steps / val_interval)


def total_steps(max_steps: int, val_interval: int, max_epochs: int) -> int:
    """Return the steps of a run whose epochs are `val_interval` steps long.

    `max_steps` unless `max_epochs` was set to something else than the epochs that `max_steps` needs.

    Raises:
        ValueError: as `epochs`.
    """
    if max_epochs == epochs(max_steps, val_interval):
        return max_steps
    return max_epochs * val_interval
