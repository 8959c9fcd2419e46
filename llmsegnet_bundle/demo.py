"""The main job on phantom scans: both trainings through the bundle's own commands, then table, picture and report."""

import json
import subprocess
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from llmsegnet_bundle.commands import bundle_command
from llmsegnet_bundle.metrics import case_metrics
from llmsegnet_bundle.phantom import write_phantom
from llmsegnet_bundle.precision import has_bf16
from llmsegnet_bundle.report import overlay, write_report

BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "left_atrium"
LABELED, VALIDATION, SCANS = 3, 4, 16
STEPS = 240 if has_bf16("cpu") else 60  # float32 takes four times as long: the cap on time
SETTINGS = {
    "crop": [48, 48, 48],
    "base_filters": 8,
    "labeled": LABELED,
    "validation": VALIDATION,
    "max_steps": STEPS,
    "val_interval": STEPS // 4,
    "unsupervised_weight": 1.0,
    "resume": False,
}


def demo(folder: Path) -> None:
    """Train the pair and the labeled-only baseline with the same steps, evaluate both, and segment a new scan.

    Args:
        folder: gets the scans, runs, `dice.md`, `overlay.png` and `report.html`.

    Raises:
        ValueError: when the bundle does not lie beside the package, as in a checkout.
    """
    if not BUNDLE.is_dir():
        raise ValueError(f"{BUNDLE} does not exist; the demo runs from a checkout of the repository")
    began = time.monotonic()
    scans, new = folder / "scans", folder / "new_scan"
    print(f"writing {SCANS} phantom scans, {LABELED} labeled, {VALIDATION} for validation, and a new one", flush=True)
    write_phantom(scans, scans=SCANS, size=(64, 64, 48), spacing_mm=0.625, seed=0)
    write_phantom(new, scans=1, size=(64, 64, 48), spacing_mm=0.625, seed=1)
    for config in ("train", "train_supervised"):
        run = folder / config
        common = {
            "dataset_dir": scans,
            "output_dir": run / "eval",
            "ckpt_dir": run / "checkpoints",
            "cache_dir": folder / "cache",
        }
        print(f"{config}: {STEPS} steps", flush=True)
        _bundle(run, "training", [config], common | SETTINGS)
        weights = {"model_file": run / "checkpoints/model.pt", "stride_voxel": "half"}
        _bundle(run, "evaluating", [config, "evaluate"], common | SETTINGS | weights)
    inputs = {
        "dataset_dir": new / "imagesTr",
        "output_dir": folder / "new_mask",
        "ckpt_dir": folder / "train/checkpoints",
        "overwrite": True,
    }
    _bundle(folder, "evaluating", ["inference"], inputs | {key: SETTINGS[key] for key in ("crop", "base_filters")})
    _report(folder, new)
    report = write_report(folder / "train/eval", folder / "train_supervised/eval", output=folder / "report.html")
    minutes = (time.monotonic() - began) / 60
    print(f"done in {minutes:.1f} minutes: {folder}/dice.md, {folder}/overlay.png; open {report} in a browser")


def _bundle(folder: Path, run_id: str, configs: list[str], overrides: dict[str, object]) -> None:
    files = [BUNDLE / "configs" / f"{config}.json" for config in configs]
    command = bundle_command(folder, run_id, BUNDLE, files, overrides)
    if subprocess.run(command).returncode:
        raise ValueError(f"the demo stopped at: {' '.join(command)}")


def _report(folder: Path, new: Path) -> None:
    means = {}
    for config in ("train", "train_supervised"):
        summary = json.loads((folder / config / "eval" / "summary.json").read_text(encoding="utf-8"))
        means[config] = summary["left atrium"]["dice"]["mean"]
    image, label, mask = (
        nib.Nifti1Image.from_filename(next(path.glob("*.nii*")))
        for path in (new / "imagesTr", new / "labelsTr", folder / "new_mask")
    )
    truth, pred = np.asarray(label.dataobj), np.asarray(mask.dataobj)
    dice = case_metrics(pred, truth, label.header.get_zooms())["dice"]
    overlay(np.asarray(image.dataobj), truth, pred, folder / "overlay.png", f"new phantom scan, Dice {dice:.3f}")
    table = [
        f"| {STEPS} steps, {LABELED} labeled of {SCANS} phantom scans | mean Dice of {VALIDATION} validation scans |",
        "|---|---|",
        f"| LLM-SegNet, labeled and unlabeled scans | {means['train']:.3f} |",
        f"| V-Net, labeled scans only | {means['train_supervised']:.3f} |",
    ]
    gain = means["train"] - means["train_supervised"]
    verdict = "better than" if gain > 0.01 else "NOT clearly better than"
    table += ["", f"LLM-SegNet is {verdict} labeled-only training here ({gain:+.3f}); new scan: Dice {dice:.3f}."]
    (folder / "dice.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
