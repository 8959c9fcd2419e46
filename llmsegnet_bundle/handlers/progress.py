"""What a person sees of a training: a bar over all steps with its loss terms."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import Workflow
from tqdm import tqdm

from llmsegnet_bundle.cases import Datalist
from llmsegnet_bundle.precision import has_bf16, needs_fp16


class Progress:
    """A progress bar over all steps, with the loss terms, the ramp weight and the time left.

    Args:
        total_steps: steps of the whole run.
        terms: engine output -> values shown.
        validator: engine whose key metric is printed after each validation.
        shown: False for the lines without the bar.
        warmup_steps: steps measured before the time to expect is printed.
    """

    def __init__(
        self,
        total_steps: int,
        terms: Callable[[Any], dict[str, float]],
        validator: Workflow,
        shown: bool = True,
        warmup_steps: int = 3,
    ) -> None:
        self.total_steps = total_steps
        self.terms = terms
        self.validator = validator
        self.shown = shown
        self.warmup_steps = warmup_steps

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step_done)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_done)
        engine.add_event_handler(Events.COMPLETED, self.close)

    def start(self, engine: Workflow) -> None:
        first = engine.state.iteration
        # a bar that goes to a file would fill it with a line per step
        rare = {} if sys.stderr.isatty() else {"mininterval": 30.0}
        hidden = not self.shown
        self.bar: Any = tqdm(
            total=self.total_steps, initial=first, unit="step", dynamic_ncols=True, disable=hidden, **rare
        )
        self.estimate_at = first + self.warmup_steps
        self.started_at = time.monotonic()

    def step_done(self, engine: Workflow) -> None:
        step = engine.state.iteration
        if step == self.estimate_at:
            step_s = (time.monotonic() - self.started_at) / self.warmup_steps
            minutes = step_s * (self.total_steps - step) / 60
            told = f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.0f} min" if minutes >= 1 else "a minute"
            tqdm.write(f"{step_s:.2f} s a step: about {told} for {self.total_steps} steps, validation apart")
        values = self.terms(engine.state.output)
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()}, refresh=False)
        self.bar.update()

    def epoch_done(self, engine: Workflow) -> None:
        state = self.validator.state
        metric = state.metrics.get(state.key_metric_name)
        if metric is not None:
            tqdm.write(f"step {engine.state.iteration}: {state.key_metric_name} {metric:.4f}")

    def close(self, engine: Workflow) -> None:
        self.bar.close()


def loss_terms(output: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the scalars of a training step's output, a dict a crop or one for all, as floats, "loss" first."""
    scalars = {name: torch.as_tensor(value).detach() for name, value in output[0].items()}
    names = sorted((name for name in scalars if scalars[name].numel() == 1), key=lambda name: name != "loss")
    return {name: float(scalars[name]) for name in names}


def announce(cases: Datalist, total_steps: int, device: torch.device | str) -> None:
    """Print the line that a training starts with, of several processes once."""
    labeled, unlabeled, validation = (len(cases[part]) for part in ("labeled", "unlabeled", "validation"))
    kind = "float16" if needs_fp16(device) else "bfloat16" if has_bf16(device) else "float32"
    stream = f"{unlabeled} unlabeled" if unlabeled else "no unlabeled scans (training is supervised only)"
    told = f"{labeled} labeled, {stream}, {validation} validation scans; {total_steps} steps on {device} in {kind}"
    if idist.get_rank() == 0:
        print(told)
