from importlib.resources import files

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.transforms import Compose, EnsureTyped, LoadImaged

from llmsegnet_bundle.loading import TwoStreamDataset, streams
from llmsegnet_bundle.transforms import AffineCropd, CompactFractionsd, WorkingGridd

RECIPE = files("llmsegnet_bundle") / "recipe"
CROP = {"keys": ["image", "label", "target"], "size": (8, 8, 8), "allow_missing_keys": True}


@pytest.fixture
def scans(tmp_path):
    """2 labeled and 1 unlabeled scan."""
    rng = np.random.default_rng(0)
    items = [{"image": str(tmp_path / f"{n}.nii"), "label": str(tmp_path / f"{n}_label.nii")} for n in range(3)]
    for item in items:
        voxels = rng.random((12, 13, 14), np.float32)
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), item["image"])
        nib.save(nib.Nifti1Image((voxels > 0.5).astype(np.uint8), np.eye(4)), item["label"])
    return items[:2], [{"image": items[2]["image"]}]


def dataset(scans, random=(), **settings):
    both = {"keys": ["image", "label"], "allow_missing_keys": True}
    kept = [LoadImaged(**both, ensure_channel_first=True), WorkingGridd(**both, spacing_mm=(1, 1, 1))]
    kept += [EnsureTyped("image", dtype=torch.float16, track_meta=False)]
    kept += [CompactFractionsd("label", allow_missing_keys=True)]
    steps = Compose([*kept, AffineCropd(**CROP), *random])
    return TwoStreamDataset(scans[0], steps, scans[1], progress=False, **settings)


def crops(kept):
    kept.set_target(2, torch.rand(4, 12, 13, 14, generator=torch.Generator().manual_seed(0)))
    kept.set_target(2, torch.rand(4, 12, 13, 14, generator=torch.Generator().manual_seed(1)))
    return [tensor for scan in range(3) for _, tensor in sorted(kept[scan, 7].items())]


def test_crops_are_the_same_from_memory_and_from_disk(scans, tmp_path):
    alone = dataset(scans)
    memory = dataset(scans, cache_dir=tmp_path / "cache", cache_mode="memory")
    disk = dataset(scans, cache_dir=tmp_path / "cache", cache_mode="disk")
    assert [kept.in_memory for kept in (alone, memory, disk)] == [True, True, False]
    whole = crops(alone)
    assert len(whole) == 2 + 2 + 2  # image and label, or image and target
    for other in (memory, disk):
        assert all(torch.equal(a, b) for a, b in zip(whole, crops(other), strict=True))
        assert torch.equal(other.image(2), alone.image(2))


def test_scans_that_are_not_trusted_are_not_drawn():
    items = [{"image": torch.full((1,), float(scan))} for scan in range(6)]
    kept = TwoStreamDataset(items[:2], Compose([]), items[2:], progress=False)
    kept.trust([3, 5])
    drawn = [[kept[scan, seed]["image"].item() for scan in range(6)] for seed in range(4)]
    assert drawn == [[0, 1, other, 3, other, 5] for other in (3, 5, 3, 5)]


def test_disk_is_taken_where_memory_does_not_hold_scans_and_targets(scans, tmp_path, monkeypatch, capsys):
    voxels = 12 * 13 * 14
    scans_bytes = 3 * 2 * voxels + 2 * voxels  # images and labels
    for target_classes, targets_bytes in ((0, 0), (2, 2 * 4 * voxels)):
        for room, in_memory in ((0.9, False), (1.5, True)):
            free = 2 * room * (scans_bytes + targets_bytes)
            monkeypatch.setattr(streams, "free_bytes", lambda device, free=free: int(free))
            kept = dataset(scans, cache_dir=tmp_path / "cache", target_classes=target_classes)
            assert kept.in_memory == in_memory
    assert dataset(scans).in_memory  # as there is no disk to take


def test_random_transforms_of_the_recipe_leave_what_is_kept_as_it_is(scans, tmp_path):
    for name in ("training", "paper"):
        steps = yaml.safe_load((RECIPE / f"{name}.yaml").read_text(encoding="utf-8"))["augment_transforms"]
        parser = ConfigParser({"steps": steps})
        kept = dataset(scans, parser.get_parsed_content("steps"))
        crops(kept)
        before = [{key: tensor.clone() for key, tensor in scan.items()} for scan in kept.scans]
        target = kept.targets[2].clone()
        for seed in range(10):
            for scan in range(3):
                kept[scan, seed]
        assert torch.equal(kept.targets[2], target)
        for scan, was in zip(kept.scans, before, strict=True):
            assert scan.keys() == was.keys()
            assert all(torch.equal(scan[key], was[key]) for key in was)


def test_wrong_mode_is_refused(scans):
    with pytest.raises(ValueError, match="cache_mode: must be auto, memory, disk, got 'ram'"):
        dataset(scans, cache_mode="ram")
    with pytest.raises(ValueError, match="cache_mode: disk needs a folder; give a --cache_dir that is not none"):
        dataset(scans, cache_mode="disk")


def test_failing_scan_stops_the_rest(scans):
    scans[0][0]["image"] = "nowhere.nii"
    with pytest.raises((RuntimeError, FileNotFoundError, ValueError), match="nowhere"):
        dataset(scans)
