"""Runs counted in steps: where the last epoch ends, and equal buffers on all processes at each end."""

import torch.distributed as dist
from ignite.engine import Events
from monai.engines import Workflow
from torch import nn


class StepLimit:
    """End the last epoch early, after `total_steps` in all; its end is an ordinary end of an epoch.

    Args:
        total_steps: steps of the whole run.
    """

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED(once=self.total_steps), self)

    def __call__(self, engine: Workflow) -> None:
        if engine.state.iteration % engine.state.epoch_length:
            engine.terminate_epoch()


class SyncBuffers:
    """Give all processes the batch-norm statistics of rank 0 at the end of each epoch; alone it does nothing.

    Args:
        network: whose buffers are made equal.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def attach(self, engine: Workflow) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Workflow) -> None:
        if dist.is_available() and dist.is_initialized():
            for buffer in self.network.buffers():
                dist.broadcast(buffer, src=0)
