"""A loss that is not a number ends a training before it reaches the files."""

import math

import torch
from monai.engines import Workflow

from llmsegnet_bundle.scans import case_name


def loss_fault(engine: Workflow) -> str:
    """Return in words what is wrong with the loss of the last step; "" when it is finite.

    Args:
        engine: whose outputs have a "loss", and whose loader has a `TwoStreamBatchSampler`.
    """
    loss = float(torch.as_tensor(engine.state.output[0]["loss"]).detach())
    if math.isfinite(loss):
        return ""
    loader = engine.state.dataloader
    items = loader.batch_sampler.batch(engine.state.iteration - 1)
    names = dict.fromkeys(case_name(loader.dataset.data[scan]["image"]) for scan, _ in items)
    return f"the loss is {loss:g} on crops of {', '.join(names)}"
