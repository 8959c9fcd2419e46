"""A run that can be stopped at any time: its state is saved, continued from, and its weights kept."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Events
from monai.engines import Workflow
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.handlers.best import BestWeights
from llmsegnet_bundle.handlers.finite import loss_fault
from llmsegnet_bundle.handlers.resume import Resume
from llmsegnet_bundle.handlers.state import not_finite_in, write_state
from llmsegnet_bundle.handlers.stop import Stop, agreed
from llmsegnet_bundle.loading import TwoStreamBatchSampler
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
        self.last_file = Path(folder) / "last.pt"
        self.model_file = Path(model_file)
        self.total_steps = total_steps
        self.continues = resume
        self.every_s = every_s
        self.writes = idist.get_rank() == 0
        self.weights = BestWeights(network, self.model_file, folder, validator, select, description, self.writes)
        self.state = Resume(self.last_file, self.model_file, objects, sampler, total_steps, run, validator, self.writes)
        self.stop = Stop(speaks=self.writes)
        self.saved = False  # or loaded: what lies in the folder is of this run
        self.saved_at = time.monotonic()

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step_done)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_done)
        engine.add_event_handler(Events.COMPLETED, self.end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Workflow) -> None:
        """Load `last.pt` when asked and there; catch the stop signals."""
        if self.continues and self.last_file.exists():
            self.saved = self.state.load(engine)
            self.weights.metric = float(self.weights.validator.state.best_metric)
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
        self.weights.forget_nan()
        content = self._content(engine)
        self.weights.keep(engine, self.state.run_id)
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
        content = self.state.content(engine)
        if faulty := [name for name, item in content.items() if not_finite_in(item)]:
            self._refuse(engine, f"{' and '.join(faulty)} hold numbers that are not finite")
        return content
