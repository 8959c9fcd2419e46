"""What a run was, in `run.json`: settings, split, text, versions, time and the selected weights."""

import datetime
import json
import math
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import Workflow

from llmsegnet_bundle.cases import digest
from llmsegnet_bundle.documents import RUN_JSON, read_json
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.run import Run
from llmsegnet_bundle.settings.written import as_json
from llmsegnet_bundle.text import load_provenance

FILE = "run.json"
PACKAGES = ("llmsegnet-bundle", "torch", "monai", "pytorch-ignite", "numpy", "nibabel")


class RunRecord:
    """Write `run.json` when the first epoch starts, and again with time and selection after each epoch.

    Attach it after the `ValidationHandler`. A continued run adds a session to the file of its first part.

    Args:
        output_dir: gets `run.json`; made when missing.
        run: what it is.
        validator: engine whose best key metric selected the weights.
        total_steps: steps of the whole run.
        model_file: where the selected weights lie.
        select: "last" or "best", as of `Checkpoint`.
    """

    def __init__(
        self,
        output_dir: str | Path,
        run: Run,
        validator: Workflow,
        total_steps: int,
        model_file: str | Path,
        select: str = "last",
    ) -> None:
        self.file = Path(output_dir) / FILE
        self.run = run
        self.validator = validator
        self.total_steps = total_steps
        self.model_file = Path(model_file)
        self.select = select
        self.content: dict[str, Any] = {}

    def attach(self, engine: Workflow) -> None:
        # not STARTED: the step from which a run continues is known only after every handler of that event
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.update)
        engine.add_event_handler(Events.COMPLETED, self.update)

    def start(self, engine: Workflow) -> None:
        """Write what is known before the first step; later epochs change nothing."""
        if self.content:
            return
        step = engine.state.iteration
        self.began = time.monotonic()
        earlier = self._earlier() if step else {}
        settings = dict(self.run.recorded)
        if "init_from" in (earlier.get("settings") or {}):  # the run may have written over that file since
            settings["init_from"] = earlier["settings"]["init_from"]
        session = {"started": _now(), "device": _device(engine.state.device), "first_step": step}
        self.content = {
            "settings": settings,
            "identity": self.run.state(),
            "split": {"digest": digest(self.run.cases), **as_json(self.run.cases)},
            "text": _text(self.run.recorded.get("text_embedding")),
            "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
            "total_steps": self.total_steps,
            "steps_per_epoch": engine.state.epoch_length,
            "sessions": [*earlier.get("sessions", []), session],
            "selection": earlier.get("selection"),
            "validation": earlier.get("validation") or {},
        }
        self.update(engine)

    def update(self, engine: Workflow) -> None:
        """Bring time and selection up to date."""
        if not self.content:  # a finished run, started once more
            return
        step, state = engine.state.iteration, self.validator.state
        duration_s = round(time.monotonic() - self.began, 1)
        self.content["sessions"][-1] |= {"ended": _now(), "last_step": step, "duration_s": duration_s}
        value = float(state.metrics.get(state.key_metric_name, math.nan))
        if math.isfinite(value) and self.content["validation"].get("last", {}).get("step") != step:
            scored = {"value": value, "step": step}
            told = self.content["validation"]
            told["last"] = scored
            told["best"] = max(told.get("best", scored), scored, key=lambda one: one["value"])
            files = {"model_file": str(self.model_file)}
            self.content["selection"] = (
                {"rule": self.select, "metric": state.key_metric_name} | told[self.select] | files
            )
        self._write()

    def _earlier(self) -> dict[str, Any]:
        try:
            content = read_json(self.file, "", RUN_JSON)
        except ValueError:  # a record must never stop a training
            return {}
        return content if content.get("sessions") else {}

    def _write(self) -> None:
        write_texts(self.file.parent, {FILE: json.dumps(self.content, indent=1) + "\n"})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _device(device: torch.device | str | None) -> str:
    device = torch.device(device or "cpu")
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _text(file: str | Path | None) -> dict[str, Any] | None:
    if file is None or str(file) == "none":
        return None
    return {"file": Path(file).name, **load_provenance(file)}
