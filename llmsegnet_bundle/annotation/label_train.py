"""Training in MONAI Label, of a length that fits a click."""

import json
import math
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.train.bundle import BundleTrainTask

from llmsegnet_bundle.annotation.label_store import label_fault
from llmsegnet_bundle.annotation.undo import undo_training

EPOCHS = 50  # as other apps of MONAI Label
LEAST_STEPS = 10  # an epoch, of few labels
VALIDATIONS = 5  # a training
DEVELOPERS = ("tracking", "run_id", "model_filename")
UNDO = "undo_last_training"


class TrainTask(BundleTrainTask):
    """Go on from the present weights with the labels that are saved.

    An epoch is a pass over the labeled scans, of at least `LEAST_STEPS` steps; validation comes `VALIDATIONS` times.

    Args:
        path: folder of the bundle.
        conf: of the app.
    """

    def config(self) -> dict[str, Any]:
        """Return what a client shows: without the options that are for developers."""
        options = super().config() | {"max_epochs": EPOCHS, UNDO: False}
        return {name: value for name, value in options.items() if not name.startswith(DEVELOPERS)}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, or with the option `UNDO` put the weights before the last training back."""
        if not request.get(UNDO):
            return super().__call__(request, datastore)
        print(undo_training(Path(self.bundle_path)), flush=True)
        return {}

    def stats(self) -> dict[str, Any]:
        """Return how far the last training is, for the client's bars."""
        file = Path(self.bundle_path) / "eval" / "run.json"
        if not file.is_file():
            return {}
        run = json.loads(file.read_text(encoding="utf-8"))
        session, epoch = run["sessions"][-1], run["steps_per_epoch"]
        told = {"epoch": session["last_step"] // epoch, "total_epochs": math.ceil(run["total_steps"] / epoch)}
        if "best" in run["validation"]:
            told["best_metric"] = run["validation"]["best"]["value"]
        return told | ({"total_time": session["duration_s"]} if session["last_step"] >= run["total_steps"] else {})

    def _fetch_datalist(self, request: dict[str, Any], datastore: Datastore) -> list[dict[str, str]]:
        cases = super()._fetch_datalist(request, datastore)
        if not cases:
            raise ValueError("labels: none is saved yet; save one, then train")
        for case in cases:
            if fault := label_fault(case["label"]):
                raise ValueError(f"{case['label']}: {fault}, or remove the file")
        return cases

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        scans, epochs = len(overrides["train#dataset#data"]), int(overrides.pop("train#trainer#max_epochs"))
        steps = max(LEAST_STEPS, math.ceil(scans / self.bundle_config["batch"][0]))
        total = epochs * steps
        overrides |= {"max_steps": total, "val_interval": math.ceil(total / VALIDATIONS)}
        told = f"{epochs} epochs of {steps} steps: a pass over {scans} labeled scans, at least {LEAST_STEPS} steps"
        print(told, flush=True)
        return overrides
