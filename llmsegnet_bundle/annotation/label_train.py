"""Training in MONAI Label, of a length that fits a click."""

from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.train.bundle import BundleTrainTask

from llmsegnet_bundle.annotation.labels import label_fault
from llmsegnet_bundle.annotation.length import LEAST_STEPS, settings_of_length, training_stats
from llmsegnet_bundle.annotation.undo import undo_training

EPOCHS = 50  # as other apps of MONAI Label
LEAST_TO_SPLIT = 5  # of fewer labels all teach, whatever share is to validate
DEVELOPERS = ("tracking", "run_id", "model_filename")
UNDO = "undo_last_training"


class TrainTask(BundleTrainTask):
    """Go on from the present weights with the labels that are saved.

    How long it is says `length.settings_of_length`.

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
        return training_stats(Path(self.bundle_path) / "eval" / "run.json")

    def _fetch_datalist(self, request: dict[str, Any], datastore: Datastore) -> list[dict[str, str]]:
        cases = super()._fetch_datalist(request, datastore)
        if not cases:
            raise ValueError("labels: none is saved yet; save one, then train")
        for case in cases:
            if fault := label_fault(case["label"]):
                raise ValueError(f"{case['label']}: {fault}, or remove the file")
        return cases

    def _partition_datalist(self, datalist: Any, request: dict[str, Any], shuffle: bool = False) -> Any:
        few = {"val_split": 0.0} if len(datalist) < LEAST_TO_SPLIT else {}
        return super()._partition_datalist(datalist, request | few, shuffle)

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        scans, epochs = len(overrides["train#dataset#data"]), int(overrides.pop("train#trainer#max_epochs"))
        length = settings_of_length(epochs, scans, self.bundle_config["batch"][0])
        told = f"{epochs} epochs, each a pass over {scans} labeled scans but at least {LEAST_STEPS} steps"
        overrides |= length
        print(f"{told}: {length['max_steps']} steps", flush=True)
        return overrides
