"""Whether a bundle's doubt ranks scans by their real error: docs/experiments/doubt.csv and docs/doubt.md.

    python docs/experiments/doubt.py ../shared/data/left_atrium

asks the shipped networks about scans that they had no labels of, LA_008 to LA_079, and scores their masks. The same
command continues what was stopped; figures alone are written, nothing of a scan.
"""

import csv
import sys
from datetime import date
from pathlib import Path

import fire
import numpy as np
import torch
from monai.inferers import Inferer

from llmsegnet_bundle.annotation.ranking import describe
from llmsegnet_bundle.annotation.scorer import ScanScorer
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.inference import MapInferer
from llmsegnet_bundle.inference.doubts import DOUBTS, doubts
from llmsegnet_bundle.metrics.case import class_dice
from llmsegnet_bundle.networks.weights import read_description
from llmsegnet_bundle.scans import case_name, read_classes, read_image
from llmsegnet_bundle.transforms.answer import mean_and_doubt

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "left_atrium"
PAGE, TABLE = ROOT / "docs" / "doubt.md", ROOT / "docs" / "experiments" / "doubt.csv"
LABELED, VALIDATION = 8, 12  # the first taught with their labels, the last took no part at all
HEAD = """# Does doubt find the scans with errors?

The shipped left atrium networks segmented the 72 scans that they had no labels of (60 took part in their training
unlabeled, 12 not at all), and their doubt was compared with the error that the labels, used for scoring alone, show
on each scan's own grid. An annotator should get first what the networks get wrong.

In brackets 95 % bootstrap intervals over the scans; for random picks, where 95 % of 10,000 of them lie. Each doubt is
from 0 to 1 and needs no label; `small label` is a control, the order that the size alone would give. MONAI Label uses
`soft_gap` ([how](monai-label.md)). It was chosen among these five after a look at this table, so that its figures are
a little too good. One data set and one training are no proof for others; that labels picked so teach more than random
ones has not been measured. Written by `python docs/experiments/doubt.py ../shared/data/left_atrium`, from
`experiments/doubt.csv`.
"""


class Known(Inferer):
    """Answer with what was computed before."""

    def __init__(self, probs: torch.Tensor) -> None:
        super().__init__()
        self.probs = probs

    def __call__(self, inputs: torch.Tensor, network: None) -> torch.Tensor:
        return self.probs[None]


def score(scorer: ScanScorer, image: Path, scan: torch.Tensor, probs: torch.Tensor) -> dict[str, float]:
    """Return the Dice of the mean's mask on the scan's own grid, and the volume of the label."""
    mean = mean_and_doubt(*probs.chunk(2))[0]
    own = MapInferer(Known(mean), scorer.preprocessing, scorer.inferer.answer, classes=len(mean))
    mask = own(scan, None)[0, 0]
    affine, label = read_image(image)[1], image.parents[1] / "labelsTr" / image.name
    truth = read_classes(label, tuple(mask.shape), affine, image, classes=len(mean))
    dice = class_dice(mask, truth, ["background", "organ"])["organ"]["dice"]
    return {"dice": dice, "label_ml": float((truth > 0).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)}


def main(dataset_dir: str, bundle: str = str(BUNDLE), page: str = str(PAGE), table: str = str(TABLE)) -> None:
    """Measure what is not measured yet, and write the page."""
    table, page = Path(str(table)), Path(str(page))
    rows = {row["case"]: row for row in csv.DictReader(table.open(encoding="utf-8"))} if table.is_file() else {}
    images = sorted((Path(str(dataset_dir)) / "imagesTr").glob("*.nii.gz"))[LABELED:]
    if len(images) <= VALIDATION:
        sys.exit(f"{dataset_dir} has {len(images)} scans after the first {LABELED}, more than {VALIDATION} are needed")
    scorer = ScanScorer(str(bundle), device="cpu")
    for i, image in enumerate(images):
        if (name := case_name(image)) in rows:
            continue
        scan, probs = scorer.answer(image)
        part = "validation" if i >= len(images) - VALIDATION else "unlabeled"
        found = score(scorer, image, scan, probs) | doubts(probs)
        rows[name] = {"case": name, "part": part, **{key: f"{value:.6f}" for key, value in found.items()}}
        lines = [",".join(("case", "part", *found)), *(",".join(row.values()) for row in rows.values())]
        write_texts(table.parent, {table.name: "\n".join(lines) + "\n"})
        print(name, rows[name], flush=True)
    model = read_description(BUNDLE / "models/model.pt")["sha256"][:12]
    lines = [
        HEAD,
        f"Weights {model}, written {date.today()}.",
        "",
        *_meanings(),
        "",
        *describe(list(rows.values())),
    ]
    write_texts(page.parent, {page.name: "\n".join(lines) + "\n"})


def _meanings() -> list[str]:
    return [f"- `{name}`: {meaning}" for name, meaning in DOUBTS.items()]


if __name__ == "__main__":
    fire.Fire(main)
