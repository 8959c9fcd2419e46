"""The main job on phantom scans: both trainings through the bundle's own commands, then pictures, report and table."""

import time
from pathlib import Path

import nibabel as nib
import numpy as np

from llmsegnet_bundle.ablation import Run
from llmsegnet_bundle.commands import bundle_command
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.metrics import case_metrics
from llmsegnet_bundle.report import overlay, write_report
from llmsegnet_bundle.tools.demo.case import ALONE, BUNDLE, CASE, COMMON, PAIR, VALIDATION, mean_dice, show, train
from llmsegnet_bundle.tools.demo.table import read_table, verdict


def demo(folder: Path, seed: int = 0) -> dict[str, float]:
    """Train the pair and the labeled-only baseline with the same steps, evaluate both, and segment a new scan.

    Args:
        folder: gets the scans, runs, `overlay.png`, `overlay_baseline.png`, `report.html` and `dice.md`.
        seed: of scans and trainings.

    Returns:
        "mean", the mean Dice of the pair, and "gain", that less the baseline's.

    Raises:
        ValueError: as `case.train`.
    """
    began = time.monotonic()
    runs = train(folder, [PAIR, ALONE], [seed])
    pair, alone = runs[PAIR, seed], runs[ALONE, seed]
    new = {run: segment_new_scan(folder, run) for run in (pair, alone)}
    report = write_report(pair.folder / "eval", alone.folder / "eval", output=folder / "report.html")
    pictures = []
    for run, name in ((pair, "overlay.png"), (alone, "overlay_baseline.png")):
        draw_new_scan(folder, run, folder / name, f"new scan, {run.variant.name}: Dice {new[run]:.3f}")
        pictures.append(f"![new scan, {run.variant.name}]({name})")
    scored = {run: mean_dice(run) for run in (pair, alone)}
    gain = scored[pair] - scored[alone]
    lines = [
        f"| {COMMON['max_steps']} steps, seed {seed} | mean Dice of {VALIDATION} scans | Dice of a new scan |",
        "|---|---|---|",
        *(f"| {run.variant.name} | {scored[run]:.3f} | {new[run]:.3f} |" for run in (pair, alone)),
        "",
        f"LLM-SegNet is {verdict(gain)} V-Net on labeled scans only in this run. {CASE}.",
        *read_table(),
    ]
    write_texts(folder, {"dice.md": "\n".join([*pictures, "", *lines]) + "\n"})
    print(f"pictures: {folder}/overlay.png, {folder}/overlay_baseline.png, and {report} in a browser\n")
    print("\n".join(lines))
    print(f"\nthe same in {folder}/dice.md; done in {(time.monotonic() - began) / 60:.1f} minutes")
    return {"mean": scored[pair], "gain": gain}


def segment_new_scan(folder: Path, run: Run) -> float:
    """Segment the new scan of a run's seed by the bundle's inference, and return the Dice.

    Raises:
        ValueError: when the command fails.
    """
    inputs = {
        "dataset_dir": folder / f"new_scan/seed{run.seed}/imagesTr",
        "output_dir": run.folder / "new_mask",
        "model_file": run.folder / "checkpoints/model.pt",
        "overwrite": True,
    }
    command = bundle_command(run.folder / "new_mask", "evaluating", BUNDLE, [BUNDLE / "configs/inference.json"], inputs)
    if show(command, run.log):
        raise ValueError(f"the demo stopped at: {' '.join(command)}; {run.log}")
    _, label, mask = read_new_scan(folder, run)
    return case_metrics(np.asarray(mask.dataobj), np.asarray(label.dataobj), label.header.get_zooms())["dice"]


def draw_new_scan(folder: Path, run: Run, file: Path, title: str) -> None:
    """Write the picture of the new scan with its label and a run's mask."""
    image, label, mask = (np.asarray(volume.dataobj) for volume in read_new_scan(folder, run))
    overlay(image, label, mask, file, title)


def read_new_scan(folder: Path, run: Run) -> list[nib.Nifti1Image]:
    """Return image, label and a run's mask of the new scan."""
    new = folder / f"new_scan/seed{run.seed}"
    places = (new / "imagesTr", new / "labelsTr", run.folder / "new_mask")
    return [nib.Nifti1Image.from_filename(next(place.glob("*.nii*"))) for place in places]
