"""The running average of a network's weights: what is validated and shipped."""

from collections.abc import Sequence
from typing import Any

from ignite.engine import Events
from monai.engines import Workflow
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average:
    """Follow a network: a <- d a + (1 - d) w after each step n, with d = min(decay, (1 + n) / (10 + n)).

    Buffers, such as those of batch norm, are averaged too. The average starts as a copy of the network before the first
    step, so that weights which were loaded until then count; the first step replaces it. `network` is the average;
    without one it is the network itself.

    Args:
        network: whose parameters and buffers are averaged.
        decay: the d of late steps; None or "none" for no average.

    Raises:
        ValueError: when `decay` is not in 0 .. 1.
    """

    def __init__(self, network: nn.Module, decay: float | str | None = 0.99) -> None:
        self.decay = 0.0
        self.followed = network
        self.averaged: AveragedModel | None = None
        self.network = network
        if decay is None or decay == "none":
            return
        if isinstance(decay, str | bool) or not 0 <= decay <= 1:
            raise ValueError(f"ema: must be none, or a decay in 0 .. 1, got {decay!r}")
        self.decay = decay
        self.averaged = AveragedModel(network, multi_avg_fn=self._average, use_buffers=True)
        self.network = self.averaged.module.requires_grad_(False)

    def attach(self, engine: Workflow) -> None:
        if self.averaged is not None:
            engine.add_event_handler(Events.GET_BATCH_STARTED, self.begin)
            engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def begin(self, engine: Workflow) -> None:
        """Copy the network until the first step; a continued run has brought its average."""
        assert self.averaged is not None
        if self.averaged.n_averaged == 0:
            self.averaged.module.load_state_dict(self.followed.state_dict())

    def __call__(self, engine: Workflow) -> None:
        assert self.averaged is not None
        self.averaged.update_parameters(self.followed)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.averaged is None else self.averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.averaged is not None:
            self.averaged.load_state_dict(state)

    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        n = int(steps)
        get_ema_multi_avg_fn(min(self.decay, (1 + n) / (10 + n)))(averaged, current, steps)
