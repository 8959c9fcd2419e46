"""What a run continues from, and how it goes on: exactly, or with other scans anew from its weights."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.utils import manual_seed
from monai.engines import Workflow
from tqdm import tqdm

from llmsegnet_bundle.files import moment
from llmsegnet_bundle.handlers.state import random_states, read_state, set_random_states
from llmsegnet_bundle.loading import TwoStreamBatchSampler
from llmsegnet_bundle.run import Run


class Resume:
    """Gather the content of `last.pt`, and continue from it.

    Args:
        last_file: that is read.
        model_file: named as the cure where the state does not fit.
        objects: name -> object with `state_dict`.
        sampler, total_steps, run, validator: as of `Checkpoint`.
        writes: False on all processes but one.
    """

    def __init__(
        self,
        last_file: Path,
        model_file: Path,
        objects: Mapping[str, Any],
        sampler: TwoStreamBatchSampler,
        total_steps: int,
        run: Run,
        validator: Workflow,
        writes: bool = True,
    ) -> None:
        self.last_file = last_file
        self.model_file = model_file
        self.objects = dict(objects)
        self.sampler = sampler
        self.total_steps = total_steps
        self.run = run
        self.validator = validator
        self.writes = writes
        self.run_id = uuid.uuid4().hex  # what tells its weights from those of others

    def content(self, engine: Workflow) -> dict[str, Any]:
        """Return what `last.pt` gets; nothing where it is not written."""
        if not self.writes:
            return {}
        state = self.validator.state
        content = {name: item.state_dict() for name, item in self.objects.items()}
        return content | {
            "step": engine.state.iteration,
            "total_steps": self.total_steps,
            "run": self.run.state(),
            "run_id": self.run_id,
            "best_metric": float(state.best_metric),
            "best_metric_epoch": state.best_metric_epoch,
            "random": random_states(),
        }

    def load(self, engine: Workflow) -> bool:
        """Continue from the state, or start anew from its weights; return whether it was the first.

        Raises:
            ValueError: when the state does not fit the run.
        """
        try:
            content = read_state(self.last_file, self._load_states, self.writes)
            if "run" not in content:
                raise ValueError("it is of an older version of this package")
            if changed := self.run.other_settings(content["run"]):
                raise ValueError("; ".join(changed))
            if told := self.run.other_cases(content["run"]):
                self._start_anew(content, told)
                return False
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{self.last_file} does not fit this run ({type(error).__name__}: {reason}); give another ckpt_dir, "
                f"or --resume False to start anew, with --init_from {self.model_file} from its weights"
            ) from None
        step = content["step"]
        engine.state.iteration = step
        engine.state.epoch = step // engine.state.epoch_length
        if step >= self.total_steps:
            engine.state.epoch = engine.state.max_epochs
        self.validator.state.best_metric = content["best_metric"]
        self.validator.state.best_metric_epoch = content["best_metric_epoch"]
        self.sampler.start_step = step
        self.run_id = content.get("run_id", self.run_id)
        if rank := idist.get_rank():  # the file holds the random states of the first process
            manual_seed(int(torch.randint(2**31, (rank,))[-1]))  # and cuDNN stays as it was set
        finished = f"; max_steps {self.total_steps} are done" if step >= self.total_steps else ""
        tqdm.write(f"continuing from step {step} of {self.last_file}{finished}")
        return True

    def _load_states(self, content: Mapping[str, Any]) -> None:
        """Load a state of this run; one of another is told by who continues."""
        if "run" not in content or self.run.other_settings(content["run"]) or self.run.other_cases(content["run"]):
            return
        for name, item in self.objects.items():
            item.load_state_dict(content[name])
        set_random_states(content["random"])

    def _start_anew(self, content: Mapping[str, Any], told: str) -> None:
        """Take the weights of an earlier state, its average if it has one, and keep the file."""
        average = {name: value for name, value in content.get("average", {}).items() if name.startswith("module.")}
        weights = {name.removeprefix("module."): value for name, value in average.items()}
        self.objects["network"].load_state_dict(weights or content["network"])
        idist.barrier()  # every process has read the file
        if self.writes:
            kept = self.last_file.replace(self.last_file.with_name(f"last_before_{moment()}.pt"))
            what = f"the scans are not those of {self.last_file}, now {kept.name} ({told})"
            tqdm.write(f"{what}; step, schedule and optimizer start anew, from its weights")
