"""Throughput of a training over several processes of this machine, as `torchrun` starts them."""

import tempfile
from collections.abc import Sequence

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from llmsegnet_bundle.tools.benchmark import step
from llmsegnet_bundle.tools.benchmark.measure import in_fresh_processes


def crops_per_second(crop: Sequence[int], repeats: int, ranks: int) -> float:
    """Return crops a second of LA-8 steps, each of `ranks` gloo processes with its own 2+2 crops and share of cores.

    Args:
        crop: (H, W, D).
        repeats: turns measured; the median counts.
        ranks: processes.
    """
    with tempfile.TemporaryDirectory() as folder:  # gloo removes the file itself
        calls = [(f"file://{folder}/store", rank, ranks, crop, repeats) for rank in range(ranks)]
        return ranks * 4 / max(in_fresh_processes(_shared_step, calls))


def _shared_step(place: str, rank: int, ranks: int, crop: Sequence[int], repeats: int) -> float:
    torch.set_num_threads(max(1, torch.get_num_threads() // ranks))
    distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=ranks)
    try:
        return step.fast_step(crop, (2, 2), repeats, wrap=DistributedDataParallel).seconds
    finally:
        distributed.destroy_process_group()
