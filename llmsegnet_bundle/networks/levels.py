"""The levels of a backbone: along which axes each is halved, and along which its kernels reach, by nnU-Net's rules."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

HALVINGS = 4  # of the field's V-Net and 3-D U-Net, which have a level more
SMALLEST_EDGE = 3  # voxels of the bottleneck: `EncoderDecoder.check_crop` asks for them; nnU-Net takes 4

Sides = tuple[int, int, int]  # (h, w, d)


class Levels(NamedTuple):
    """`strides` between the five levels of a backbone, and `kernels` at each, (h, w, d), finest first."""

    strides: list[Sides]
    kernels: list[Sides]


def plan_levels(size_voxel: Sequence[float], spacing_mm: Sequence[float]) -> Levels:
    """Return the levels for scans of this size and spacing; isotropic scans of 48 voxels and more get the field's.

    An axis is halved where it has voxels enough and its spacing is less than twice the finest of such axes. Kernels are
    1 along an axis until its spacing is less than twice the finest, then 3, at the bottleneck always 3. This is what
    nnU-Net does (Isensee et al., Nature Methods 18, 2021), but that levels are always five.

    Args:
        size_voxel: (H, W, D) of a typical scan on the training grid.
        spacing_mm: of the training grid.
    """
    sizes, spacings = np.array(size_voxel, float), np.array(spacing_mm, float)
    reach = np.ones(3, int)
    strides, kernels = [], []
    for _ in range(HALVINGS):
        reach = np.where(spacings < 2 * spacings.min(), 3, reach)
        large = sizes >= 2 * SMALLEST_EDGE
        finest = spacings.min(where=large, initial=np.inf)
        stride = np.where(large & (spacings < 2 * finest), 2, 1)
        sizes, spacings = sizes / stride, spacings * stride
        strides.append(stride.tolist())
        kernels.append(reach.tolist())
    return Levels(check_strides(strides), check_kernels([*kernels, [3, 3, 3]]))


def check_strides(strides: Sequence[Sequence[int]] | None) -> list[Sides]:
    """Return `strides` as tuples; None halves each axis between all levels, as the field does.

    Raises:
        ValueError: when they are not four times three factors of 1 or 2.
    """
    return _factors("strides", strides, HALVINGS, (1, 2))


def check_kernels(kernels: Sequence[Sequence[int]] | None) -> list[Sides]:
    """Return `kernels` as tuples; None makes them 3x3x3 at all levels, as the field does.

    Raises:
        ValueError: when they are not five times three sides of 1 or 3.
    """
    return _factors("kernels", kernels, HALVINGS + 1, (1, 3))


def _factors(name: str, given: Any, count: int, allowed: tuple[int, int]) -> list[Sides]:
    if given is None:
        return [(allowed[1],) * 3] * count
    if not _are_all(given, count, lambda level: _are_all(level, 3, lambda side: type(side) is int and side in allowed)):
        wanted = f"{count} lists of three numbers, each {allowed[0]} or {allowed[1]}"
        raise ValueError(f"{name}: must be {wanted}, got {given}")
    return [(h, w, d) for h, w, d in given]


def _are_all(values: Any, count: int, fits: Callable[[Any], bool]) -> bool:
    return isinstance(values, list | tuple) and len(values) == count and all(map(fits, values))
