"""Overlap and surface distances of each case: stated units, conventions and miss policy."""

import csv
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

Volume = np.ndarray | torch.Tensor

DISTANCES = ("hd95_pooled_voxel", "hd95_pooled_mm", "hd95_strict_mm", "asd_voxel", "asd_mm", "assd_mm")
MEASURES = ("dice", "jaccard", *DISTANCES)
KEYS = (*MEASURES, "missed", "false_alarm")


def case_metrics(pred: Volume, label: Volume, spacing_mm: Sequence[float]) -> dict[str, float]:
    """Return the overlap in [0, 1] and the surface distances of one predicted mask.

    - `hd95_pooled_*`: 95th percentile over both directed surface distances put together, as medpy's `hd95`;
    - `hd95_strict_mm`: the larger of the two directed 95th percentiles, as MONAI's;
    - `asd_*`: mean distance from the surface of pred to that of label, as medpy's `asd(pred, label)`;
    - `assd_mm`: mean over both directed surface distances put together, as MONAI's and as medpy's from 0.5 on
      (medpy 0.4 took the mean of the two directed means instead).

    Surface voxels have a face neighbor outside the mask or the image (source: medpy.metric.binary 0.5.2). Empty masks:

    | label | pred | dice, jaccard | distances | 1.0, else 0.0 |
    |---|---|---|---|---|
    | empty | empty | 1 | nan: not counted | none |
    | not empty | empty | 0 | the image diagonal | `missed` |
    | empty | not empty | 0 | the image diagonal | `false_alarm` |

    The image diagonal is the norm of the image's shape; in mm, of shape times spacing.

    Args:
        pred, label: binary masks, of any type.
        spacing_mm: distance between voxel centers along each axis.

    Shape: pred and label (H, W, D).

    Raises:
        ValueError: when the shapes differ or are not 3-D, a value is not 0 or 1, or a spacing is not positive.

    Example:
        >>> case_metrics(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1.0, 1.0, 1.0))["dice"]
        1.0
    """
    pred_map, label_map = _checked_pair(pred, label, class_count=2)
    spacing = _checked_spacing(spacing_mm)
    pred_mask, label_mask = pred_map == 1, label_map == 1  # (H, W, D)
    pred_size, label_size, shared = (int(mask.sum()) for mask in (pred_mask, label_mask, pred_mask & label_mask))
    missed, false_alarm = label_size > pred_size == 0, pred_size > label_size == 0
    distances = dict.fromkeys(DISTANCES, math.nan)
    if pred_size and label_size:
        distances = _distances(pred_mask, label_mask, spacing)
    elif missed or false_alarm:
        diagonal_voxel, diagonal_mm = math.hypot(*pred_mask.shape), math.hypot(*(pred_mask.shape * spacing))
        distances = {key: diagonal_voxel if key.endswith("_voxel") else diagonal_mm for key in DISTANCES}
    union = pred_size + label_size - shared
    return {
        "dice": 2 * shared / (pred_size + label_size) if union else 1.0,
        "jaccard": shared / union if union else 1.0,
        **{key: distances[key] for key in DISTANCES},
        "missed": float(missed),
        "false_alarm": float(false_alarm),
    }


class CaseTable:
    """The metrics of every case and foreground class, collected one case at a time and written at the end.

    Example:
        >>> table = CaseTable()
        >>> table.add("case_01", pred, label, (1.0, 1.0, 1.0), ("background", "left atrium"))
        >>> table.write(Path("runs/left_atrium/metrics"))
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, pred: Volume, label: Volume, spacing_mm: Sequence[float], classes: Sequence[str]) -> None:
        """Add one row for each class but the first, which is the background.

        Args:
            name: of the case.
            pred, label: class index of each voxel (H, W, D).
            spacing_mm: distance between voxel centers along each axis.
            classes: names of all classes, the background first.

        Raises:
            ValueError: when the case is there already, the classes are not 2 or more different names, a value is no
                class index, or as `case_metrics`; the table then stays as it was.
        """
        if any(row["case"] == name for row in self.rows):
            raise ValueError(f"name must be new to the table, got {name!r} again")
        if isinstance(classes, str) or len(classes) < 2 or len(set(classes)) < len(classes):
            raise ValueError(f"classes must be different names, background first, at least 2, got {classes!r}")
        pred_map, label_map = _checked_pair(pred, label, len(classes))
        self.rows += [
            {"case": name, "class": kind, **case_metrics(pred_map == index, label_map == index, spacing_mm)}
            for index, kind in enumerate(classes[1:], start=1)
        ]

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return, by class, `cases`, `missed`, `false_alarms` and the mean, std and median of each measure.

        nan is left out; a measure that is nan in every case gives None. std divides by the number of values.
        """
        kinds = dict.fromkeys(row["class"] for row in self.rows)
        by_class = {kind: [row for row in self.rows if row["class"] == kind] for kind in kinds}
        return {
            kind: {
                "cases": len(rows),
                "missed": int(sum(row["missed"] for row in rows)),
                "false_alarms": int(sum(row["false_alarm"] for row in rows)),
                **{key: _statistics([row[key] for row in rows]) for key in MEASURES},
            }
            for kind, rows in by_class.items()
        }

    def write(self, folder: Path) -> None:
        """Write `metrics.csv`, one row for each case and class, and `summary.json`, making the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".metrics.{os.getpid()}.tmp"  # so that a reader never sees half a file
        try:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ("case", "class", *KEYS), lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.rows)
            os.replace(temporary, folder / "metrics.csv")
            temporary.write_text(json.dumps(self.summary(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
            os.replace(temporary, folder / "summary.json")
        finally:
            temporary.unlink(missing_ok=True)


def _distances(pred: np.ndarray, label: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    # exact: both surfaces lie in the box, and the margin of one voxel keeps their neighbors
    (tight,) = ndimage.find_objects((pred | label).astype(np.uint8))
    box = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in tight)
    cross = ndimage.generate_binary_structure(3, 1)
    pred, label = (mask[box] & ~ndimage.binary_erosion(mask[box], cross) for mask in (pred, label))  # the surfaces
    forth, back = (_directed(*pair, np.ones(3)) for pair in ((pred, label), (label, pred)))
    in_voxel = {"hd95_pooled_voxel": _percentile_95(forth, back), "asd_voxel": float(forth.mean())}
    if (spacing == spacing[0]).all():
        forth, back = forth * spacing[0], back * spacing[0]
    else:
        forth, back = (_directed(*pair, spacing) for pair in ((pred, label), (label, pred)))
    return in_voxel | {
        "hd95_pooled_mm": _percentile_95(forth, back),
        "hd95_strict_mm": max(_percentile_95(forth), _percentile_95(back)),
        "asd_mm": float(forth.mean()),
        "assd_mm": float(np.concatenate((forth, back)).mean()),
    }


def _directed(start: np.ndarray, end: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(~end, sampling=spacing)[start]


def _percentile_95(*distances: np.ndarray) -> float:
    return float(np.percentile(np.concatenate(distances), 95))


def _statistics(values: list[float]) -> dict[str, float | None]:
    counted = [value for value in values if not math.isnan(value)]
    if not counted:
        return dict.fromkeys(("mean", "std", "median"))
    return {"mean": float(np.mean(counted)), "std": float(np.std(counted)), "median": float(np.median(counted))}


def _checked_pair(pred: Volume, label: Volume, class_count: int) -> list[np.ndarray]:
    arrays = [np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x) for x in (pred, label)]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"pred and label must have one shape, got {arrays[0].shape} and {arrays[1].shape}")
    for name, array in zip(("pred", "label"), arrays, strict=True):
        if array.ndim != 3:
            raise ValueError(f"{name} must be 3-D (H, W, D), got shape {array.shape}")
        wrong = array[~np.isin(array, np.arange(class_count))]
        if wrong.size:
            raise ValueError(f"{name} must hold only integers from 0 to {class_count - 1}, got {wrong[0]}")
    return arrays


def _checked_spacing(spacing_mm: Sequence[float]) -> np.ndarray:
    try:
        spacing = np.asarray(spacing_mm, dtype=float)
    except (TypeError, ValueError):
        spacing = np.empty(0)  # fails the check below, with its message
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(f"spacing_mm must be 3 positive numbers, got {spacing_mm}")
    return spacing
