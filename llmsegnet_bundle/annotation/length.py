"""How long a training is that an annotator starts, and how far it is."""

import math
from pathlib import Path
from typing import Any

from llmsegnet_bundle.documents import RUN_JSON, read_json

LEAST_STEPS = 10  # an epoch, of few labels
VALIDATIONS = 5  # a training


def settings_of_length(epochs: int, scans: int, labeled_batch: int) -> dict[str, int]:
    """Return `max_steps` and `val_interval` of a training whose epochs are passes over the labels.

    Args:
        epochs: each of at least `LEAST_STEPS` steps; `VALIDATIONS` validations are spread over all.
        scans: labeled ones.
        labeled_batch: labeled crops a step.
    """
    steps = epochs * max(LEAST_STEPS, math.ceil(scans / labeled_batch))
    return {"max_steps": steps, "val_interval": math.ceil(steps / VALIDATIONS)}


def training_stats(record: Path) -> dict[str, Any]:
    """Return how far the last training is, as clients of MONAI Label show it; nothing without a record.

    Args:
        record: its `run.json`.
    """
    try:
        run = read_json(record, "", RUN_JSON)
    except ValueError:
        return {}
    done, total, epoch = run["sessions"][-1]["last_step"], run["total_steps"], run["steps_per_epoch"]
    told = {"epoch": done // epoch, "total_epochs": math.ceil(total / epoch)}
    if "best" in run["validation"]:
        told["best_metric"] = run["validation"]["best"]["value"]
    return told | ({"total_time": run["sessions"][-1]["duration_s"]} if done >= total else {})
