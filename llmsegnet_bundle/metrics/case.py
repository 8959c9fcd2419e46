"""The numbers of one case: of a mask, and of each class and region of a class map."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_

import numpy as np
import torch
from scipy import ndimage

from llmsegnet_bundle.metrics.surfaces import surface_dice, surface_distances

Volume = np.ndarray | torch.Tensor
Regions = Mapping[str, Sequence[int]]

# from the directed surface distances, prediction to label and back; docs/metrics.md has the formulas
DISTANCE_KINDS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "hd95_pooled": lambda forth, back: np.percentile(np.concatenate((forth, back)), 95),
    "hd95_strict": lambda forth, back: max(np.percentile(forth, 95), np.percentile(back, 95)),
    "hd100": lambda forth, back: max(forth.max(), back.max()),
    "asd": lambda forth, back: forth.mean(),
    "asd_back": lambda forth, back: back.mean(),
    "assd": lambda forth, back: np.concatenate((forth, back)).mean(),
}
DISTANCES = tuple(f"{kind}_{unit}" for kind in DISTANCE_KINDS for unit in ("voxel", "mm"))
MEASURES = ("dice", "jaccard", *DISTANCES, "surface_dice", "volume_error", "pred_ml", "label_ml")
KEYS = (*MEASURES, "missed", "false_alarm")
EMPTY = ("diagonal", "zero")
AT_ONCE = 2**22  # voxels whose pairs are counted, as wide numbers of all of a large CT take gigabytes


def case_metrics(
    pred: Volume, label: Volume, spacing_mm: Sequence[float], empty: str = "diagonal", tolerance_mm: float = 1.0
) -> dict[str, float]:
    """Return the numbers of one predicted mask, by the keys of `KEYS`; docs/metrics.md defines each of them.

    Args:
        pred: binary mask, of any type.
        label: the same.
        spacing_mm: distance between voxel centers along each axis.
        empty: the distances when one mask is empty: "diagonal" of the image, or "zero" as in the field's papers, which
            also give 0 to all of Dice, Jaccard and distances when both are empty.
        tolerance_mm: of the surface Dice.

    Shape: pred and label (H, W, D).

    Raises:
        ValueError: when the shapes differ or are not 3-D, a value is not 0 or 1, a spacing is not positive, or an
            option is none of the above.

    Example:
        >>> case_metrics(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1.0, 1.0, 1.0))["dice"]
        1.0
    """
    pred_map, label_map = checked_pair(pred, label, class_count=2)
    spacing = _checked_spacing(spacing_mm)
    check_options(empty, tolerance_mm)
    return _mask_metrics(pred_map == 1, label_map == 1, spacing, empty, tolerance_mm)


def class_metrics(
    pred: Volume,
    label: Volume,
    spacing_mm: Sequence[float],
    classes: Sequence[str],
    regions: Regions | None = None,
    empty: str = "diagonal",
    tolerance_mm: float = 1.0,
) -> dict[str, dict[str, float]]:
    """Return `case_metrics` of each class but the background, then of each region.

    Args:
        pred: class index of each voxel.
        label: the same.
        spacing_mm: distance between voxel centers along each axis.
        classes: names of all classes, the background first.
        regions: name -> indices of the classes whose union it is; None for no regions.
        empty: as of `case_metrics`.
        tolerance_mm: the same.

    Shape: pred and label (H, W, D).

    Raises:
        ValueError: when classes or regions are malformed, a value is no class index, or as `case_metrics`.

    Example:
        >>> names = ("background", "edema", "core")
        >>> list(class_metrics(pred, label, (1.0, 1.0, 1.0), names, {"whole tumor": [1, 2]}))
        ['edema', 'core', 'whole tumor']
    """
    check_classes(classes, regions)
    check_options(empty, tolerance_mm)
    pair = checked_pair(pred, label, len(classes))
    spacing = _checked_spacing(spacing_mm)
    members = {name: [index] for index, name in enumerate(classes) if index} | dict(regions or {})
    scores = {}
    for name, of in members.items():
        pred_mask, label_mask = (reduce(or_, (class_map == index for index in of)) for class_map in pair)
        scores[name] = _mask_metrics(pred_mask, label_mask, spacing, empty, tolerance_mm)
    return scores


def class_dice(
    pred: Volume, label: Volume, classes: Sequence[str], regions: Regions | None = None, empty: str = "diagonal"
) -> dict[str, dict[str, float]]:
    """Return `dice` and `label_ml` > 0 as `in_label` of each class and region, as `class_metrics` but at once.

    Args, Shape, Raises: as of `class_metrics`.
    """
    check_classes(classes, regions)
    check_options(empty, 0.0)
    count = len(classes)
    pred_map, label_map = (array.ravel() for array in checked_pair(pred, label, count))
    pairs = np.zeros((count, count), dtype=np.int64)  # label, prediction
    for begin in range(0, len(pred_map), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        both = label_map[some].astype(np.int64) * count + pred_map[some].astype(np.int64)
        pairs += np.bincount(both, minlength=count**2).reshape(count, count)
    members = {name: [index] for index, name in enumerate(classes) if index} | dict(regions or {})
    scores = {}
    for name, of in members.items():
        shared = int(pairs[np.ix_(of, of)].sum())
        label_size, pred_size = int(pairs[of].sum()), int(pairs[:, of].sum())
        dice = 2 * shared / (label_size + pred_size) if label_size + pred_size else 0.0 if empty == "zero" else 1.0
        scores[name] = {"dice": dice, "in_label": float(label_size > 0)}
    return scores


def check_classes(classes: Sequence[str], regions: Regions | None) -> None:
    """Raise ValueError unless there are 2 or more different names, and regions of their indices."""
    named = isinstance(classes, Sequence) and not isinstance(classes, str)
    if not named or len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes must be different names, background first, at least 2, got {classes!r}")
    if regions is not None and not isinstance(regions, Mapping):
        raise ValueError(f'regions must be names with class indices, as {{"whole tumor": [1, 2]}}, got {regions!r}')
    for name, members in (regions or {}).items():
        if name in classes:
            raise ValueError(f"regions must have other names than the classes, got {name!r}")
        listed = isinstance(members, list | tuple) and bool(members)
        if not listed or len(set(members)) < len(members) or not set(members) <= set(range(1, len(classes))):
            raise ValueError(f"region {name!r} must list indices from 1 to {len(classes) - 1} once, got {members!r}")


def check_options(empty: str, tolerance_mm: float) -> None:
    """Raise ValueError for an unknown miss policy or a tolerance that is no distance."""
    if empty not in EMPTY:
        raise ValueError(f"empty must be {' or '.join(EMPTY)}, got {empty!r}")
    if not isinstance(tolerance_mm, int | float) or not 0 <= tolerance_mm < math.inf:
        raise ValueError(f"tolerance_mm must be a number of at least 0, got {tolerance_mm!r}")


def checked_pair(pred: Volume, label: Volume, class_count: int) -> list[np.ndarray]:
    """Return both as arrays; raise ValueError unless they are 3-D, of one shape, and hold class indices only."""
    arrays = [np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x, order="C") for x in (pred, label)]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"pred and label must have one shape, got {arrays[0].shape} and {arrays[1].shape}")
    for name, array in zip(("pred", "label"), arrays, strict=True):
        if array.ndim != 3:
            raise ValueError(f"{name} must be 3-D (H, W, D), got shape {array.shape}")
        if not _holds_classes(array, class_count):
            wrong = array[~np.isin(array, np.arange(class_count))]
            raise ValueError(f"{name} must hold only integers from 0 to {class_count - 1}, got {wrong[0]}")
    return arrays


def _holds_classes(array: np.ndarray, class_count: int) -> bool:
    if not array.size or array.dtype == bool:
        return True
    whole = array.dtype.kind in "iu" or bool((array == np.rint(array)).all())  # nan equals nothing
    return whole and bool(array.min() >= 0 and array.max() < class_count)


def _mask_metrics(
    pred: np.ndarray, label: np.ndarray, spacing: np.ndarray, empty: str, tolerance_mm: float
) -> dict[str, float]:
    shape = pred.shape
    # nothing lies outside the box, and its margin of one voxel keeps the neighbors of every surface voxel
    for tight in ndimage.find_objects((pred | label).view(np.uint8)):
        box = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in tight)
        pred, label = (np.ascontiguousarray(mask[box]) for mask in (pred, label))
    pred_size, label_size, shared = (int(mask.sum()) for mask in (pred, label, pred & label))
    union, voxel_ml = pred_size + label_size - shared, float(spacing.prod()) / 1000
    nothing = 0.0 if empty == "zero" else 1.0  # Dice of two empty masks
    if pred_size and label_size:
        distances = _distances(surface_distances(pred, label, spacing))
    else:
        distances = _empty_distances(shape, spacing, empty, both=not union)
    return {
        "dice": 2 * shared / (pred_size + label_size) if union else nothing,
        "jaccard": shared / union if union else nothing,
        **distances,
        "surface_dice": surface_dice(pred, label, spacing, tolerance_mm) if union else math.nan,
        "volume_error": (pred_size - label_size) / label_size if label_size else math.nan,
        "pred_ml": pred_size * voxel_ml,
        "label_ml": label_size * voxel_ml,
        "missed": float(label_size > pred_size == 0),
        "false_alarm": float(pred_size > label_size == 0),
    }


def _distances(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    return {f"{kind}_{unit}": float(DISTANCE_KINDS[kind](*pairs[unit])) for kind, unit in _kinds_and_units()}


def _empty_distances(shape: tuple[int, ...], spacing: np.ndarray, empty: str, both: bool) -> dict[str, float]:
    if empty == "zero":
        return dict.fromkeys(DISTANCES, 0.0)
    if both:
        return dict.fromkeys(DISTANCES, math.nan)
    diagonal = {"voxel": math.hypot(*shape), "mm": math.hypot(*(shape * spacing))}
    return {f"{kind}_{unit}": diagonal[unit] for kind, unit in _kinds_and_units()}


def _kinds_and_units() -> list[tuple[str, str]]:
    return [(kind, unit) for kind in DISTANCE_KINDS for unit in ("voxel", "mm")]


def _checked_spacing(spacing_mm: Sequence[float]) -> np.ndarray:
    try:
        spacing = np.asarray(spacing_mm, dtype=float)
    except (TypeError, ValueError):
        spacing = np.empty(0)  # fails the check below, with its message
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(f"spacing_mm must be 3 positive numbers, got {spacing_mm}")
    return spacing
