"""Rows of windows stitched along the last axis of a scan, so that no answer on all of it has to be in memory."""

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor


def row_starts(side: int, window: int, stride: int) -> list[int]:
    """Return where the windows of one side start: every stride, the last one moved back to end at the border."""
    last = max(side - window, 0)
    return [min(i * stride, last) for i in range(-(-last // stride) + 1)]


Chunk = tuple[int, Tensor, Tensor]  # first slice in the scan, sums (B, C, H, W, n), total weights (n,)


def stitch(
    starts: Sequence[int], answer: Callable[[int, int, int], Tensor], weights: Tensor, parts: int = 1
) -> Iterator[Tensor]:
    """Yield the mean of overlapping rows in slabs along the last axis: as many slices as no later row touches.

    Args:
        starts: of the rows, ascending.
        answer: number of a row, first and last slice of a part of it -> its answer there, written to here.
        weights: of the slices of a row.
        parts: that a row is asked in, one after the other.

    Shape: answer (B, C, H, W, n), weights (depth,) -> (B, C, H, W, n) each; of a single row in one part, its answer.
    """
    depth = len(weights)
    if len(starts) == parts == 1:
        yield answer(0, 0, depth)
        return
    held: list[Chunk] = []  # of rows before
    for row, start in enumerate(starts):
        earlier, held = held, []
        following = starts[row + 1] if row + 1 < len(starts) else start + depth
        for first in range(0, depth, depth // parts):
            last = first + depth // parts
            begin, end = start + first, start + last
            sums = answer(row, first, last)
            total = weights[first:last].to(sums.device, copy=True)  # (n,)
            sums *= total
            _add(earlier, begin, sums, total)
            earlier = [chunk for chunk in earlier if chunk[0] + len(chunk[2]) > end]
            done = min(max(following - begin, 0), len(total))
            if done < len(total):  # cloned, as a view would hold the memory of what is done
                held.append((begin + done, sums[..., done:].clone() if done else sums, total[done:]))
            slab = sums[..., :done].div_(total[:done])
            del sums  # before the next answer
            if done:
                yield slab
            del slab


def _add(chunks: Sequence[Chunk], begin: int, sums: Tensor, total: Tensor) -> None:
    """Add chunks to the sums and total weights of slices from `begin` on, where they lie there."""
    for place, other_sums, other_total in chunks:
        low, high = max(begin, place), min(begin + len(total), place + len(other_total))
        if low < high:
            here, there = slice(low - begin, high - begin), slice(low - place, high - place)
            sums[..., here] += other_sums[..., there].to(sums.device)
            total[here] += other_total[there].to(sums.device)
