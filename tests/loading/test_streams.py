from collections import Counter

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureTyped, LoadImaged, RandSpatialCropd, ScaleIntensityd

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


def test_workers_do_not_go_with_scans_on_a_gpu():
    dataset = TwoStreamDataset([{"image": torch.zeros(1, 2, 2, 2)}], Compose([]), device="meta", progress=False)
    with pytest.raises(ValueError, match="workers: must be 0 where scans are kept on meta, or give --cache_device cpu"):
        two_stream_loader(dataset, (1, 0), workers=2)


class Counted(ScaleIntensityd):
    """A deterministic transform that counts its calls."""

    calls = 0

    def __call__(self, data, lazy=None):
        Counted.calls += 1
        return super().__call__(data)


def test_second_start_reads_the_disk_and_a_changed_scan_or_transform_does_not(tmp_path):
    items = [{"image": str(tmp_path / f"{name}.nii.gz")} for name in "ab"]
    rng = np.random.default_rng(0)
    for item in items:
        nib.save(nib.Nifti1Image(rng.random((12, 12, 12), np.float32), np.eye(4)), item["image"])

    def start(maxv=1.0):
        Counted.calls = 0
        transforms = [LoadImaged("image", ensure_channel_first=True), Counted("image", 0.0, maxv)]
        transforms += [EnsureTyped("image", track_meta=False), RandSpatialCropd("image", (8, 8, 8), random_size=False)]
        cache_dir = tmp_path / "cache"
        dataset = TwoStreamDataset(items[:1], Compose(transforms), items[1:], cache_dir=cache_dir, progress=False)
        return Counted.calls, [dataset[scan, 5]["image"] for scan in range(2)]

    cold_calls, cold = start()
    warm_calls, warm = start()
    assert (cold_calls, warm_calls) == (2, 0)
    assert all(torch.equal(a, b) for a, b in zip(cold, warm, strict=True))
    nib.save(nib.Nifti1Image(rng.random((12, 12, 12), np.float32), np.eye(4)), items[1]["image"])
    calls, changed = start()
    assert calls == 1
    assert torch.equal(changed[0], cold[0])
    assert not torch.equal(changed[1], cold[1])
    calls, scaled = start(maxv=2.0)
    assert calls == 2
    torch.testing.assert_close(scaled[0], 2 * cold[0])
