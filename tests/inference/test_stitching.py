import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from llmsegnet_bundle.inference.stitching import row_starts, stitch


@pytest.mark.parametrize(("side", "starts"), [(4, [0]), (8, [0]), (9, [0, 1]), (20, [0, 3, 6, 9, 12])])
def test_rows_start_every_stride_and_end_at_the_border(side, starts):
    assert row_starts(side, 8, 3) == starts


@pytest.mark.parametrize(("parts", "slices"), [(1, [4, 2, 1, 6]), (2, [3, 1, 2, 1, 3, 3]), (3, [2, 2, 2, 1, 2, 2, 2])])
@pytest.mark.parametrize("starts", [[0, 4, 6, 7], [0]])
def test_stitched_rows_are_their_weighted_mean(starts, parts, slices):
    weights = torch.tensor([1.0, 3, 4, 4, 2, 1])
    rows = [torch.rand(1, 2, 3, 4, 6) for _ in starts]
    total, count = torch.zeros(1, 2, 3, 4, starts[-1] + 6), torch.zeros(starts[-1] + 6)
    for row, start in zip(rows, starts, strict=True):
        total[..., start : start + 6] += row * weights
        count[start : start + 6] += weights
    slabs = list(stitch(starts, lambda i, first, last: rows[i][..., first:last].clone(), weights, parts))
    assert len(starts) == 1 or [slab.shape[-1] for slab in slabs] == slices
    torch.testing.assert_close(torch.cat(slabs, dim=-1), total / count)


def test_what_is_done_is_given_free_before_the_next_row_is_asked():
    given, alive = [], []

    def answer(i, first, last):
        alive.append(sum(not storage.expired() for storage in given))
        row = torch.rand(1, 1, 2, 2, last - first)
        given.append(StorageWeakRef(row.untyped_storage()))
        return row

    for slab in stitch([0, 4, 8], answer, torch.ones(8)):
        del slab
    assert alive == [0, 0, 0]


def test_single_row_stays_as_it_is():
    row = torch.rand(1, 2, 3, 4, 5)
    assert next(stitch([0], lambda i, first, last: row, torch.rand(8))) is row
