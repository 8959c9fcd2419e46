"""Scores of an evaluation, case by case."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Events
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce
from monai.engines import Workflow

from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.metrics import KEYS, CaseTable, class_metrics
from llmsegnet_bundle.metrics.case import Regions, check_classes, class_dice
from llmsegnet_bundle.scans import case_name


class CaseMetricsHandler:
    """Score each mask of an evaluator against its label, both on the scan's grid, and write the tables at the end.

    Args:
        output_dir: gets `metrics.csv` (a row per case and class) and `summary.json`, as of `evaluation.evaluate`.
        classes: names of all classes, background first.
        regions: name -> indices of the classes whose union it is; None for no regions.
        preset: "standard" or "paper", as of `CaseTable`.
        tolerance_mm: of the surface Dice.
        settings: what the masks were made with, for `evaluation.json` and the report, without what is None; None
            writes no file.

    Raises:
        ValueError: for malformed classes or regions, an unknown preset or a negative tolerance.
    """

    def __init__(
        self,
        output_dir: str | Path,
        classes: Sequence[str],
        regions: Regions | None = None,
        preset: str = "standard",
        tolerance_mm: float = 1.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_classes(classes, regions)
        self.settings = settings
        self.output_dir = Path(output_dir)
        self.classes = classes
        self.regions = regions
        self.table = CaseTable(preset, tolerance_mm)

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def __call__(self, engine: Workflow) -> None:
        for item in engine.state.output:
            self.table.add(_name(item), *_case(item), self.classes, self.regions)

    def write(self, engine: Workflow) -> None:
        self.table.publish(self.output_dir)
        if self.settings is not None:
            known = {name: value for name, value in self.settings.items() if value is not None}
            told = json.dumps(known, indent=2, default=str) + "\n"
            write_texts(self.output_dir, {"evaluation.json": told})


class CaseMetrics(Metric):
    """One number of `case_metrics` as an ignite metric: its mean over cases, then over classes and regions.

    nan (such as the distance between two empty masks) is left out, and so is a class that no label of the cases holds.
    False alarms in cases without the class count, which MONAI's `MeanDice` passes over. A single number serves as the
    key metric of a MONAI workflow; for Dice alone no surfaces are computed.

    Args:
        measure: a key of `case_metrics`.
        classes: names of all classes, background first; or how many there are.
        regions, preset, tolerance_mm: as of `CaseMetricsHandler`.
        output_transform: engine output -> items with "pred" and "label", class maps (1, H, W, D) with an affine.
        device: where the sums are kept.

    Raises:
        ValueError: for an unknown measure or preset.

    Example:
        >>> CaseMetrics("assd_mm", ["background", "left atrium"]).attach(evaluator, "assd_mm")
    """

    def __init__(
        self,
        measure: str,
        classes: Sequence[str] | int,
        regions: Regions | None = None,
        preset: str = "standard",
        tolerance_mm: float = 1.0,
        output_transform: Callable = lambda output: output,
        device: str | torch.device = "cpu",
    ) -> None:
        if measure not in KEYS:
            raise ValueError(f"measure must be one of {', '.join(KEYS)}, got {measure!r}")
        self.classes = [str(i) for i in range(classes)] if isinstance(classes, int) else classes
        self.measure, self.regions = measure, regions
        self.rules = CaseTable(preset, tolerance_mm)
        super().__init__(output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        size = len(self.classes) - 1 + len(self.regions or {})
        sums = torch.zeros(3, size, dtype=torch.float64, device=self._device)
        self.sums, self.counts, self.labeled = sums  # (classes,) each

    @reinit__is_reduced
    def update(self, output: Iterable[dict[str, Any]]) -> None:
        for item in output:
            pred, label, spacing_mm = _case(item)
            if self.measure == "dice":
                scores = class_dice(pred, label, self.classes, self.regions, self.rules.empty)
                in_label = [score["in_label"] for score in scores.values()]
            else:
                rules = (self.rules.empty, self.rules.tolerance_mm)
                scores = class_metrics(pred, label, spacing_mm, self.classes, self.regions, *rules)
                in_label = [score["label_ml"] for score in scores.values()]
            self.labeled += torch.tensor(in_label, dtype=torch.float64).to(self.labeled)
            values = torch.tensor([score[self.measure] for score in scores.values()], dtype=torch.float64)
            self.sums += values.nan_to_num(nan=0.0).to(self.sums)
            self.counts += (~values.isnan()).to(self.counts)

    @sync_all_reduce("sums", "counts", "labeled")
    def compute(self) -> float:
        """Return the mean over the classes and regions that any label holds and case counted for; nan without any."""
        return float((self.sums / self.counts)[self.labeled > 0].nanmean())


def _name(item: dict[str, Any]) -> str:
    """Return the name of the scan, after which its mask is named too; labels may be named otherwise."""
    scan = getattr(item["pred"], "meta", {}).get("filename_or_obj")
    return case_name(scan or item["label"].meta["filename_or_obj"])


def _case(item: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[float]]:
    pred, label = item["pred"][0], item["label"][0]  # (H, W, D) each
    return pred.cpu().numpy(), label.cpu().numpy(), label.affine[:3, :3].norm(dim=0).tolist()
