"""The per-case table and its summary, as every evaluation writes them."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.metrics.case import KEYS, MEASURES, Regions, Volume, check_options, class_metrics

PRESETS = {"standard": "diagonal", "paper": "zero"}  # name -> what an empty mask's distances are
PAPER_NOTE = (
    "preset paper: where a mask or its label is empty, Dice, Jaccard and distances all count as 0, as in the field's "
    "papers (a miss then lowers the mean distance); read HD95 pooled and ASD, in voxels"
)
RESAMPLES = 10_000
WORST = 5
VOLUMES = ("pred_ml", "label_ml")


class CaseTable:
    """The metrics of every case, class and region, collected one case at a time and written at the end.

    Args:
        preset: "standard" or "paper": the policy for empty masks (docs/metrics.md).
        tolerance_mm: of the surface Dice.

    Raises:
        ValueError: for an unknown preset or a negative tolerance.

    Example:
        >>> table = CaseTable()
        >>> table.add("case_01", pred, label, (1.0, 1.0, 1.0), ("background", "left atrium"))
        >>> table.write(Path("runs/left_atrium/metrics"))
    """

    def __init__(self, preset: str = "standard", tolerance_mm: float = 1.0) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be {' or '.join(PRESETS)}, got {preset!r}")
        self.preset, self.tolerance_mm, self.empty = preset, tolerance_mm, PRESETS[preset]
        check_options(self.empty, tolerance_mm)
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        pred: Volume,
        label: Volume,
        spacing_mm: Sequence[float],
        classes: Sequence[str],
        regions: Regions | None = None,
    ) -> None:
        """Score a case and add its rows: one for each class but the background, and for each region.

        Args:
            name: of the case.
            pred, label: class index of each voxel (H, W, D).
            spacing_mm: distance between voxel centers along each axis.
            classes: names of all classes, the background first.
            regions: name -> indices of the classes whose union it is; None for no regions.

        Raises:
            ValueError: when the case is there already, or as `class_metrics`; the table then stays as it was.
        """
        self._check_new(name)
        scores = class_metrics(pred, label, spacing_mm, classes, regions, self.empty, self.tolerance_mm)
        self.add_scores(name, scores)

    def add_scores(self, name: str, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Add the rows of a case scored by `class_metrics`, with this table's `empty` and `tolerance_mm`."""
        self._check_new(name)
        self.rows += [{"case": name, "class": kind, **values} for kind, values in scores.items()]

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return, by class and region, the entries of `summary.json` that docs/metrics.md defines."""
        kinds = dict.fromkeys(row["class"] for row in self.rows)
        by_kind = {kind: [row for row in self.rows if row["class"] == kind] for kind in kinds}
        return {
            kind: {
                "cases": len(rows),
                "missed": int(sum(row["missed"] for row in rows)),
                "false_alarms": int(sum(row["false_alarm"] for row in rows)),
                "preset": self.preset,
                "tolerance_mm": self.tolerance_mm,
                "worst": [row["case"] for row in sorted(rows, key=lambda row: row["dice"])[:WORST]],
                **{key: _statistics([row[key] for row in rows if key in VOLUMES or is_labeled]) for key in MEASURES},
            }
            for kind, rows in by_kind.items()
            for is_labeled in [any(row["label_ml"] for row in rows)]  # else nothing says how well it is found
        }

    def write(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Write `metrics.csv`, a row for each case and class, and `summary.json`, both or neither; return the last."""
        text = io.StringIO()
        writer = csv.DictWriter(text, ("case", "class", *KEYS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        summary = self.summary()
        told = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        write_texts(folder, {"metrics.csv": text.getvalue(), "summary.json": told})
        return summary

    def publish(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Write as `write`, and print `lines` and where the cases are."""
        summary = self.write(folder)
        for line in [*self.lines(summary), f"case by case: {folder}/metrics.csv"]:
            print(line)
        return summary

    def lines(self, summary: Mapping[str, Mapping[str, Any]] | None = None) -> list[str]:
        """Return what to print: a line for each class and region, after the note of the preset if it has one.

        Args:
            summary: of this table, whose intervals take a while; None computes it.
        """
        notes = [PAPER_NOTE] if self.preset == "paper" else []
        return notes + [_line(name, scores) for name, scores in (summary or self.summary()).items()]

    def _check_new(self, name: str) -> None:
        if any(row["case"] == name for row in self.rows):
            raise ValueError(f"name must be new to the table, got {name!r} again")


def interval_95(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the mean, equal for equal values; None of fewer than 2."""
    if len(values) < 2:
        return None
    means = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def _statistics(values: list[float]) -> dict[str, Any]:
    counted = [value for value in values if not math.isnan(value)]
    if not counted:
        return {"n": 0} | dict.fromkeys(("mean", "std", "median", "interval_95"))
    interval = interval_95(counted)
    return {
        "n": len(counted),
        "mean": float(np.mean(counted)),
        "std": float(np.std(counted)),
        "median": float(np.median(counted)),
        "interval_95": None if interval is None else list(interval),
    }


def _line(name: str, scores: Mapping[str, Any]) -> str:
    found = f"{scores['cases']} cases, {scores['missed']} missed, {scores['false_alarms']} false alarms"
    if scores["dice"]["mean"] is None:
        return f"{name}: in no label, not scored; {found}"
    dice, interval = scores["dice"]["mean"], scores["dice"]["interval_95"]
    spread = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
    hd95, asd = (scores[key]["mean"] for key in ("hd95_pooled_voxel", "asd_voxel"))
    return (
        f"{name}: mean Dice {dice:.4f}{spread}, Jaccard {scores['jaccard']['mean']:.4f}, HD95 {hd95:.2f} voxel, "
        f"ASD {asd:.2f} voxel; {found}"
    )
