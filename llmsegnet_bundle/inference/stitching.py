"""Rows of windows stitched along the last axis of a scan, so that no answer on all of it has to be in memory."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor


def row_starts(side: int, window: int, stride: int) -> list[int]:
    """Return where the windows of one side start: every stride, the last one moved back to end at the border."""
    last = max(side - window, 0)
    return [min(i * stride, last) for i in range(-(-last // stride) + 1)]


def stitch(starts: Sequence[int], answer: Callable[[int], Tensor], weights: Tensor) -> Iterator[Tensor]:
    """Yield the mean of overlapping rows in slabs along the last axis: as many slices as no later row touches.

    Args:
        starts: of the rows, ascending.
        answer: number of a row -> its answer, written to here.
        weights: of the slices of a row.

    Shape: answer (B, C, H, W, depth), weights (depth,) -> (B, C, H, W, n) each; of a single row, its answer as it is.
    """
    held = total = torch.empty(0)
    for i, start in enumerate(starts):
        row = answer(i)  # (B, C, H, W, depth)
        if len(starts) == 1:
            yield row
            return
        sums = weights.to(row.device, copy=True)  # (depth,)
        row *= sums
        if i:
            row[..., : len(total)] += held.to(row.device)
            sums[: len(total)] += total.to(row.device)
        done = starts[i + 1] - start if i + 1 < len(starts) else len(sums)
        held, total = row[..., done:], sums[done:]
        yield row[..., :done].div_(sums[:done])
