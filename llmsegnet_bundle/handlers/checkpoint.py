"""Exact continuation of a stopped run, and the weights that it ships."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from ignite.utils import manual_seed
from monai.engines import Workflow
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.files import moment
from llmsegnet_bundle.handlers.finite import loss_fault
from llmsegnet_bundle.handlers.state import (
    not_finite_in,
    random_states,
    read_state,
    set_random_states,
    write_state,
)
from llmsegnet_bundle.handlers.stop import Stop, agreed
from llmsegnet_bundle.loading import TwoStreamBatchSampler
from llmsegnet_bundle.networks.kept import keep_weights, restore_command
from llmsegnet_bundle.networks.weights import write_weights
from llmsegnet_bundle.run import Run


class Checkpoint:
    """Save all that an exact continuation needs, continue from it, and keep the weights that are shipped.

    `last.pt` holds the states of `objects`, step, total steps, best metric and the random states of Python, NumPy and
    torch. It is written at each end of an epoch, every `every_s` seconds in between, and when SIGINT or SIGTERM stops
    the run after the step under way (a second SIGINT stops at once). Files are replaced whole, never half-written, and
    `last_one_before.pt` is there for a `last.pt` that gets damaged. A loss or a number of the state that is not finite
    ends the run, and both files stay as they were.

    A run continues only as what it was: other settings end it with one line. With the same settings and other scans or
    labels, as after more annotation in MONAI Label, step, schedule and optimizer start anew from the weights, and
    `last_before_<time>.pt` keeps what was `last.pt`.

    Weights in `model_file` that this run did not write are first kept beside `last.pt`, under a name with the time.

    Args:
        folder: of `last.pt`; made when missing.
        model_file: gets the weights of `network` that `select` chooses; without validation scans the last ones.
        network: whose state dict goes to `model_file`.
        objects: name -> object with `state_dict` (network, optimizers, schedulers).
        sampler: set to the step from which the run continues.
        total_steps: steps of the whole run.
        run: what it is.
        description: what is written beside the weights, besides how they were selected; None for nothing more.
        validator: engine whose key metric ranks the weights; attach its `ValidationHandler` before this one.
        select: "last", or "best" on the validation metric.
        resume: continue from `last.pt` when it exists.
        every_s: seconds between two saves within an epoch.

    Raises:
        ValueError: when `select` is another word.
    """

    def __init__(
        self,
        folder: str | Path,
        model_file: str | Path,
        network: nn.Module,
        objects: Mapping[str, Any],
        sampler: TwoStreamBatchSampler,
        total_steps: int,
        run: Run,
        validator: Workflow,
        select: str = "last",
        description: Mapping[str, Any] | None = None,
        resume: bool = True,
        every_s: float = 300.0,
    ) -> None:
        if select not in ("last", "best"):
            raise ValueError(f"select: must be last or best, got {select!r}")
        self.last_file = Path(folder) / "last.pt"
        self.model_file = Path(model_file)
        self.network = network
        self.objects = dict(objects)
        self.sampler = sampler
        self.total_steps = total_steps
        self.run = run
        self.validator = validator
        self.select = select
        self.description = dict(description or {})
        self.resume = resume
        self.every_s = every_s
        self.run_id = uuid.uuid4().hex  # what tells its weights from those of others
        self.writes = idist.get_rank() == 0
        self.stop = Stop(speaks=self.writes)
        self.saved = False  # or loaded: what lies in the folder is of this run
        self.best_metric = -1.0  # what MONAI's engines start from
        self.saved_at = time.monotonic()

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step_done)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_done)
        engine.add_event_handler(Events.COMPLETED, self.end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Workflow) -> None:
        """Load `last.pt` when asked and there; catch the stop signals."""
        if self.resume and self.last_file.exists():
            self._load(engine)
        self.stop.catch()

    def step_done(self, engine: Workflow) -> None:
        """Save when it is time or when a signal came; at the end of an epoch, `epoch_done` does it."""
        fault = loss_fault(engine)
        self.stop.signal, faulty = agreed(self.stop.signal, bool(fault), device=engine.state.device)
        if faulty:
            self._refuse(engine, fault)
        step = engine.state.iteration
        if step % engine.state.epoch_length == 0 or step == self.total_steps:
            return
        if self.stop.signal or time.monotonic() - self.saved_at > self.every_s:
            self._save(self._content(engine))
        if self.stop.signal:
            self._stop(engine)

    def epoch_done(self, engine: Workflow) -> None:
        """Keep the weights if they are the last or the best yet, as `select` says, and save."""
        content = self._content(engine)
        state = self.validator.state
        best, unvalidated = float(state.best_metric) != self.best_metric, state.epoch_length == 0
        self.best_metric = float(state.best_metric)
        if self.writes and (best or unvalidated or self.select == "last"):
            selection = {"select": "last" if unvalidated else self.select, "step": engine.state.iteration}
            if state.key_metric_name in state.metrics:
                selection |= {"metric": state.key_metric_name, "value": float(state.metrics[state.key_metric_name])}
            self._keep_others()
            told = self.description | {"selection": selection, "run_id": self.run_id}
            write_weights(self.network.state_dict(), self.model_file, told)
        if self.writes and best:
            tqdm.write(f"step {engine.state.iteration}: best {state.key_metric_name} so far {state.best_metric:.4f}")
        self._save(content)
        if self.stop.signal and engine.state.iteration < self.total_steps:
            self._stop(engine)

    def end(self, engine: Workflow) -> None:
        """Give the stop signals back."""
        self.stop.give_back()

    def fail(self, engine: Workflow, error: Exception) -> None:
        """Give the stop signals back after an error, which goes on."""
        self.stop.give_back()
        raise error

    def _keep_others(self) -> None:
        if kept := keep_weights(self.model_file, self.last_file.parent, self.run_id):
            undo = restore_command(kept, self.model_file)
            tqdm.write(f"{self.model_file} is not of this run and kept as {kept}; this puts it back: {undo}")

    def _stop(self, engine: Workflow) -> None:
        if self.writes:
            where = f"stopped at step {engine.state.iteration} of {self.total_steps}, saved in {self.last_file}"
            tqdm.write(f"{where}; the same command continues")
        engine.terminate()

    def _refuse(self, engine: Workflow, fault: str) -> None:
        engine.logger.disabled = True  # it would tell the same in lines of its own
        if not fault:  # of another process, which tells it
            raise SystemExit(1)
        told = f"step {engine.state.iteration}: {fault}; {self.last_file} and {self.model_file} are left as they were"
        raise ValueError(f"{told}; look at these scans, lower learning_rate, or give another seed")

    def _save(self, content: Mapping[str, Any]) -> None:
        self.saved_at = time.monotonic()
        if self.writes:
            write_state(content, self.last_file, keep=self.saved)
            self.saved = True

    def _content(self, engine: Workflow) -> dict[str, Any]:
        """Return what `last.pt` gets; nothing where it is not written."""
        if not self.writes:
            return {}
        state = self.validator.state
        content = {name: item.state_dict() for name, item in self.objects.items()}
        content |= {
            "step": engine.state.iteration,
            "total_steps": self.total_steps,
            "run": self.run.state(),
            "run_id": self.run_id,
            "best_metric": float(state.best_metric),
            "best_metric_epoch": state.best_metric_epoch,
            "random": random_states(),
        }
        if faulty := [name for name, item in content.items() if not_finite_in(item)]:
            self._refuse(engine, f"{' and '.join(faulty)} hold numbers that are not finite")
        return content

    def _load(self, engine: Workflow) -> None:
        try:
            content = read_state(self.last_file, self.writes)
            if "run" not in content:
                raise ValueError("it is of an older version of this package")
            if changed := self.run.other_settings(content["run"]):
                raise ValueError("; ".join(changed))
            if told := self.run.other_cases(content["run"]):
                self._start_anew(content, told)
                return
            for name, item in self.objects.items():
                item.load_state_dict(content[name])
            step = content["step"]
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{self.last_file} does not fit this run ({type(error).__name__}: {reason}); give another ckpt_dir, "
                f"or --resume False to start anew, with --init_from {self.model_file} from its weights"
            ) from None
        engine.state.iteration = step
        engine.state.epoch = step // engine.state.epoch_length
        if step >= self.total_steps:
            engine.state.epoch = engine.state.max_epochs
        self.validator.state.best_metric = self.best_metric = content["best_metric"]
        self.validator.state.best_metric_epoch = content["best_metric_epoch"]
        self.sampler.start_step = step
        self.saved = True
        self.run_id = content.get("run_id", self.run_id)
        set_random_states(content["random"])
        if rank := idist.get_rank():  # the file holds the random states of the first process
            manual_seed(int(torch.randint(2**31, (rank,))[-1]))  # and cuDNN stays as it was set
        finished = f"; max_steps {self.total_steps} are done" if step >= self.total_steps else ""
        tqdm.write(f"continuing from step {step} of {self.last_file}{finished}")

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
