"""Schedules over training steps."""

import math


def sigmoid_ramp(step: int, ramp_iters: int, weight: float, ramp_start: int = 0) -> float:
    """Return the loss weight w(t) = W * exp(-5 * (1 - min((t - t_0) / T, 1))^2), 0 for t < t_0 (METHOD.md 6, grade A).

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


def total_steps(max_steps: int, val_interval: int, max_epochs: int) -> int:
    """Return the steps of a run whose epochs are `val_interval` steps long.

    `max_steps` unless `max_epochs` was set to something else than the epochs that `max_steps` needs.
    """
    if max_epochs == math.ceil(max_steps / val_interval):
        return max_steps
    return max_epochs * val_interval
