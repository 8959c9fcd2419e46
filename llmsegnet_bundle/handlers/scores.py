"""Scores of an evaluation, case by case."""

from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Events
from monai.engines import Workflow

from llmsegnet_bundle.metrics import CaseTable


class CaseMetricsHandler:
    """Score each mask of an evaluator against its label, both on the scan's grid, and write the tables at the end.

    Args:
        output_dir: gets `metrics.csv` (a row per case and class) and `summary.json`.
        classes: names of all classes, background first.
    """

    def __init__(self, output_dir: str | Path, classes: Sequence[str]) -> None:
        self.output_dir = Path(output_dir)
        self.classes = classes
        self.table = CaseTable()

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def __call__(self, engine: Workflow) -> None:
        for item in engine.state.output:
            pred, label = item["pred"][0], item["label"][0]
            spacing_mm = label.affine[:3, :3].norm(dim=0).tolist()
            name = Path(label.meta["filename_or_obj"]).name.removesuffix(".gz").removesuffix(".nii")
            self.table.add(name, pred.cpu().numpy(), label.cpu().numpy(), spacing_mm, self.classes)

    def write(self, engine: Workflow) -> None:
        self.table.write(self.output_dir)
        for name, scores in self.table.summary().items():
            dice, distance = scores["dice"]["mean"], scores["hd95_pooled_voxel"]["mean"]
            print(f"{name}: mean Dice {dice:.4f}, HD95 {distance:.2f} voxel; {self.output_dir}/metrics.csv")
