from collections import Counter

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandSpatialCropd

from llmsegnet_bundle.loading import TwoStreamBatchSampler, TwoStreamDataset, two_stream_loader


def test_batches_hold_the_shares_and_cover_everything():
    sampler = TwoStreamBatchSampler(labeled=3, total=10, batch=(2, 2), seed=1)
    batches = [[scan for scan, _ in sampler.batch(step)] for step in range(42)]
    assert all(sum(scan < 3 for scan in batch) == 2 and len(batch) == 4 for batch in batches)
    counts = Counter(scan for batch in batches for scan in batch)
    assert [counts[scan] for scan in range(10)] == [28] * 3 + [12] * 7  # 84 draws of each stream, in whole passes


def test_sampler_is_a_function_of_its_seed():
    def draw(seed):
        sampler = TwoStreamBatchSampler(3, 10, (2, 2), seed)
        return [sampler.batch(step) for step in range(9)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_sampler_continues_where_it_starts():
    sampler, later = (TwoStreamBatchSampler(3, 10, (2, 2), 1) for _ in range(2))
    later.start_step = 5
    batches = iter(sampler)
    for _ in range(5):
        next(batches)
    assert [next(batches) for _ in range(4)] == [batch for batch, _ in zip(later, range(4), strict=False)]


def test_ranks_draw_different_parts_of_one_stream():
    alone = TwoStreamBatchSampler(4, 12, (2, 2), 1)
    ranks = [TwoStreamBatchSampler(4, 12, (2, 2), 1, rank, 2) for rank in range(2)]
    assert [ranks[0].batch(0), ranks[1].batch(0)] == [alone.batch(0), alone.batch(1)]


def test_sampler_without_unlabeled_scans_gives_labeled_batches():
    assert len(TwoStreamBatchSampler(4, 4, (2, 2)).batch(0)) == 2


def test_sampler_refuses_no_labeled_scan():
    with pytest.raises(ValueError, match="at least 1"):
        TwoStreamBatchSampler(0, 4, (2, 2))


def test_loader_repeats_random_crops_and_gives_unlabeled_items_no_label():
    rng = np.random.default_rng(0)
    scans = [{"image": torch.tensor(rng.random((1, 20, 20, 20)))} for _ in range(5)]
    labeled = [scan | {"label": (scan["image"] > 0.5).to(torch.uint8)} for scan in scans[:2]]
    crop = Compose([RandSpatialCropd(["image", "label"], (8, 8, 8), random_size=False, allow_missing_keys=True)])

    def batches():
        dataset = TwoStreamDataset(labeled, crop, scans[2:], progress=False)
        return [batch for batch, _ in zip(two_stream_loader(dataset, (2, 2), seed=3), range(3), strict=False)]

    first, again = batches(), batches()
    for a, b in zip(first, again, strict=True):
        assert a["image"].shape == (4, 1, 8, 8, 8)
        assert a["label"].shape == (2, 1, 8, 8, 8)
        assert torch.equal(a["label"], (a["image"][:2] > 0.5).to(torch.uint8))
        assert torch.equal(a["image"], b["image"])
    assert not torch.equal(first[0]["image"], first[1]["image"])
