"""A folder of masks against a folder of labels."""

import sys
from collections.abc import Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from llmsegnet_bundle.files import refuse_input
from llmsegnet_bundle.metrics import CaseTable, class_metrics
from llmsegnet_bundle.metrics.case import Regions, check_classes
from llmsegnet_bundle.parallel import cores, map_cases
from llmsegnet_bundle.scans import PathLike, case_name, read_classes, read_scan, scan_files
from llmsegnet_bundle.scans.naming import short_name
from llmsegnet_bundle.scans.writing import MAPS

CASES_PER_PROCESS = 8  # with fewer, its start takes longer than its work (left atrium: 5 s against 0.6 s a case)
TABLES = ("metrics.csv", "summary.json")  # that are written
Pair = tuple[Path, Path]
Scored = tuple[dict[str, dict[str, float]], list[str]]


def evaluate(
    pred_dir: PathLike,
    label_dir: PathLike,
    output_dir: PathLike,
    classes: Sequence[str] = ("background", "foreground"),
    regions: Regions | None = None,
    preset: str = "standard",
    tolerance_mm: float = 1.0,
    workers: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Score every mask of a folder against the label of its case; docs/metrics.md defines the numbers and files.

    A case is named by its file, without suffix and without the `_seg` that the bundles add to a mask; a mask of
    nnU-Net's `<case>_0000` is of the label `<case>` where there is no longer one. Labels without a
    mask are not scored, and their number is printed. With several workers, a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Args:
        pred_dir: class maps.
        label_dir: the same; mask and label of a case lie on one grid.
        output_dir: gets `metrics.csv` and `summary.json`; made when missing.
        classes: names of all classes, background first.
        regions: name -> indices of the classes whose union it is; None for no regions.
        preset: "standard", or "paper" for the conventions of the field's papers.
        tolerance_mm: of the surface Dice.
        workers: processes; None for one on each core, if each gets `CASES_PER_PROCESS` or more.

    Returns:
        The content of `summary.json`.

    Raises:
        ValueError: when a folder has no masks, a mask has no label or does not fit it, a file is unreadable or holds
            anything but class indices, or an option is wrong; nothing is written then.

    Example:
        >>> evaluate("masks", "labelsTr", "scores", ("background", "left atrium"))["left atrium"]["dice"]["mean"]
    """
    table, output = CaseTable(preset, tolerance_mm), Path(output_dir)
    check_classes(classes, regions)
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file; give a folder for metrics.csv and summary.json")
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers must be a whole number of at least 1, got {workers!r}")
    pairs, left = _pairs(Path(pred_dir), Path(label_dir))
    for name in TABLES:
        refuse_input(output / name, [file for pair in pairs.values() for file in pair])
    score = partial(_score, classes=classes, regions=regions, empty=table.empty, tolerance_mm=tolerance_mm)
    # with one process torch keeps its threads; several share the cores
    size = workers or max(1, min(cores(), len(pairs) // CASES_PER_PROCESS))
    results = map_cases(score, list(pairs.values()), size, __name__, partial(torch.set_num_threads, 1))
    for name, (scores, warnings) in zip(pairs, results, strict=True):
        table.add_scores(name, scores)
        for line in warnings:
            tqdm.write(f"warning: {line}", file=sys.stderr)
    summary = table.publish(output)
    if left:
        print(f"labels without a mask in {pred_dir}, not scored: {left}")
    return summary


def _pairs(pred_dir: Path, label_dir: Path) -> tuple[dict[str, Pair], int]:
    labels = _by_case(label_dir)
    masks = _by_case(pred_dir, labels)
    if lost := [mask for name, mask in masks.items() if name not in labels]:
        raise ValueError(f"{lost[0]} has no label in {label_dir}; give the label the name {_case(lost[0])}.nii.gz")
    return {name: (masks[name], labels[name]) for name in masks}, len(labels.keys() - masks.keys())


def _by_case(folder: Path, labels: Container[str] = ()) -> dict[str, Path]:
    files = _without_maps(scan_files(folder))
    if not files:
        state = "has no masks" if folder.is_dir() else "is no folder"
        raise ValueError(f"{folder} {state}; give a folder of NIfTI, NRRD or MetaImage masks")
    found: dict[str, Path] = {}
    for file in files:
        name = _case(file)
        if name not in labels and short_name(name) in labels:  # of nnU-Net's <case>_0000.nii.gz
            name = short_name(name)
        if (other := found.setdefault(name, file)) != file:
            raise ValueError(f"{other} and {file} are of one case; leave one of them in the folder")
    return found


def _without_maps(files: Sequence[Path]) -> list[Path]:
    """Leave out the maps that inference saves beside a mask, `<case>_entropy` and so on beside `<case>_seg`."""
    masks = {case_name(file).removesuffix("_seg") for file in files if case_name(file).endswith("_seg")}
    maps = {f"{mask}_{postfix}" for mask in masks for postfix in MAPS}
    return [file for file in files if case_name(file) not in maps]


def _case(file: Path) -> str:
    return case_name(file).removesuffix("_seg")


def _score(pair: Pair, classes: Sequence[str], regions: Regions | None, empty: str, tolerance_mm: float) -> Scored:
    mask_file, label_file = pair
    grid, affine = read_scan(label_file)
    label = read_classes(label_file, grid.shape, affine, label_file, len(classes))  # (H, W, D)
    pred = read_classes(mask_file, label.shape, affine, label_file, len(classes), "label")  # (H, W, D)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    warnings = []
    if not pred.any():
        warnings.append(f"{mask_file} is empty; " + ("its label is not: missed" if label.any() else "so is its label"))
    elif pred.all():
        warnings.append(f"{mask_file} is all foreground; check how it was made")
    if label.all():
        warnings.append(f"{label_file} is all foreground; check that it is the label")
    return class_metrics(pred, label, spacing_mm, classes, regions, empty, tolerance_mm), warnings
