"""The demo's scans and settings, in one place, and its trainings."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from llmsegnet_bundle.ablation import Run, plan_runs, read_plan
from llmsegnet_bundle.evaluation import read_scores
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.tools.phantom import Scanner, write_phantom

BUNDLE = Path(__file__).resolve().parents[3] / "bundles" / "left_atrium"
LABELED, UNLABELED, VALIDATION = 8, 16, 16
SCANNER = Scanner(contrast=(1.5, 1.7), blur_voxel=(0.4, 0.6), bias=(0.1, 0.2), noise=(0.03, 0.07))
HEARTS = (0.92, 1.12)  # 8 labels do not teach hearts much smaller than theirs
CASE = (
    f"{LABELED} labeled and {UNLABELED} unlabeled phantom scans of one good scanner, hearts of similar size; scored "
    f"are {VALIDATION} more, which took no part in training"
)
COMMON = {  # of all trainings; the rest is the recipe's
    "labeled": LABELED,
    "validation": VALIDATION,
    "spacing_mm": [2.5, 2.5, 2.5],
    "crop": [32, 32, 24],  # a whole scan
    "strides": [[2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 1, 1]],  # the bottleneck keeps 4x4x3 voxels of so small a crop
    "base_filters": 8,
    "dropout": 0.1,  # half of 8 channels is too much
    "max_steps": 800,
    "val_interval": 400,
    "ema": 0.98,  # over the last 50 steps: the run is short
}
METHOD: dict[str, Any] = {"ramp_start": 550, "target_every": 100}  # of the pair: labels alone for two thirds
PAIR, PAIR_ALONE, ALONE = "LLM-SegNet", "the pair, labeled scans only", "V-Net, labeled scans only"
VARIANTS: dict[str, dict[str, Any]] = {
    PAIR: METHOD,
    PAIR_ALONE: METHOD | {"unsupervised_weight": 0.0, "targets": "crop"},
    ALONE: {"config": "train_supervised"},
}


def write_scans(folder: Path, seed: int) -> None:
    """Write the data set of a seed to `scans/seed<N>`, and a new scan to `new_scan/seed<N>`."""
    scans = LABELED + UNLABELED + VALIDATION
    write_phantom(folder / f"scans/seed{seed}", scans, seed=seed, scanner=SCANNER, hearts=HEARTS)
    write_phantom(folder / f"new_scan/seed{seed}", 1, seed=seed + 1_000_000, scanner=SCANNER, hearts=HEARTS)


def train(folder: Path, names: Iterable[str], seeds: Sequence[int]) -> dict[tuple[str, int], Run]:
    """Train and evaluate variants with seeds, each that of its scans too; what is done is not done again.

    Raises:
        ValueError: when the bundle does not lie beside the package, as in a checkout; when the folder holds runs of
            other settings; or when a command fails.
    """
    if not BUNDLE.is_dir():
        raise ValueError(f"{BUNDLE} does not exist; the demo runs from a checkout of the repository")
    plan = {
        "bundle": str(BUNDLE),
        "output_dir": str(folder / "runs"),
        "seeds": list(seeds),
        "common": COMMON | {"dataset_dir": str(folder / "scans/seed{seed}"), "cache_dir": None},
        "evaluation": {"stride_voxel": "half"},
        "variants": {name: VARIANTS[name] for name in names},
    }
    write_texts(folder, {"plan.yaml": json.dumps(plan, indent=1) + "\n"})  # JSON is YAML
    runs = plan_runs(read_plan(folder / "plan.yaml"))
    for seed in seeds:
        write_scans(folder, seed)
    for run in runs:
        for stage in run.stages_left:
            print(f"{run.name}: {stage}", flush=True)
            run.do(stage, show)
    return {(run.variant.name, run.seed): run for run in runs}


def show(command: Sequence[str], log: Path) -> int:
    """Run a command with its output shown and added to `log`; return its exit status."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        log.open("ab") as kept,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process,
    ):
        assert process.stdout is not None
        while piece := process.stdout.read1():  # type: ignore[attr-defined]
            kept.write(piece)
            sys.stdout.write(piece.decode("utf-8", "replace"))
            sys.stdout.flush()
    return process.returncode


def mean_dice(run: Run) -> float:
    """Return the mean Dice of the scans that a run was scored on."""
    return fmean(case["dice"] for case in read_scores(run.folder / "eval/metrics.csv")["left atrium"].values())
