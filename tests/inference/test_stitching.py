import pytest
import torch

from llmsegnet_bundle.inference.stitching import row_starts, stitch


@pytest.mark.parametrize(("side", "starts"), [(4, [0]), (8, [0]), (9, [0, 1]), (20, [0, 3, 6, 9, 12])])
def test_rows_start_every_stride_and_end_at_the_border(side, starts):
    assert row_starts(side, 8, 3) == starts


def test_stitched_rows_are_their_weighted_mean():
    starts, weights = [0, 3, 6, 7], torch.tensor([1.0, 3, 4, 2, 1])
    rows = [torch.rand(1, 2, 3, 4, 5) for _ in starts]
    total, count = torch.zeros(1, 2, 3, 4, 12), torch.zeros(12)
    for row, start in zip(rows, starts, strict=True):
        total[..., start : start + 5] += row * weights
        count[start : start + 5] += weights
    slabs = list(stitch(starts, lambda i: rows[i].clone(), weights))
    assert [slab.shape[-1] for slab in slabs] == [3, 3, 1, 5]
    torch.testing.assert_close(torch.cat(slabs, dim=-1), total / count)


def test_single_row_stays_as_it_is():
    row = torch.rand(1, 2, 3, 4, 5)
    assert next(stitch([0], lambda i: row, torch.rand(8))) is row
