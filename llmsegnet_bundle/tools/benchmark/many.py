"""How much memory a training takes against the number of its scans, when these are cut from disk or kept in memory."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.transforms import Compose, EnsureTyped, LoadImaged, ScaleIntensityd

from llmsegnet_bundle.cases import Item
from llmsegnet_bundle.loading import TwoStreamDataset, two_stream_loader
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.precision import keep_freed_memory
from llmsegnet_bundle.tools.benchmark.measure import Cost, first_cost
from llmsegnet_bundle.trainer import CoTrainer
from llmsegnet_bundle.transforms import AffineCropd, CompactFractionsd, WorkingGridd

LABELED = 8
STEPS = 5
CROP = (48, 48, 48)
KEYS: dict[str, Any] = {"keys": ["image", "label"], "allow_missing_keys": True}


def write_scans(folder: str, count: int, side: int) -> None:
    """Write scans of noise with a cube, side^3 voxels of 1 mm each, and labels of the first 8; those there stay."""
    shape = (side, side, side)
    for number in range(count):
        image, label = _files(folder, number)
        if image.exists():
            continue
        voxels = np.random.default_rng(number).integers(0, 1000, shape, dtype=np.int16)
        cube = np.zeros(shape, np.uint8)
        cube[tuple([slice(side // 4, side // 2)] * 3)] = 1
        if number < LABELED:
            nib.save(nib.Nifti1Image(cube, np.eye(4)), label)
        nib.save(nib.Nifti1Image(voxels + 1000 * cube.astype(np.int16), np.eye(4)), image)


def training(folder: str, count: int, cache_mode: str) -> Cost:
    """Return the cost of a training with a tiny pair on the first scans: cache, targets of all scans, and a few steps.

    Args:
        folder: of `write_scans`; a cache in it is filled and removed again, so that every training makes all its scans.
        count: scans; all but 8 are unlabeled.
        cache_mode: as of `TwoStreamDataset`.
    """
    keep_freed_memory()
    files = [_files(folder, number) for number in range(count)]
    labeled: list[Item] = [{"image": str(image), "label": str(label)} for image, label in files[:LABELED]]
    unlabeled: list[Item] = [{"image": str(image)} for image, _ in files[LABELED:]]

    def train(cache_dir: str) -> None:
        dataset = TwoStreamDataset(labeled, _transform(), unlabeled, cache_dir, cache_mode, progress=False)
        for scan in range(LABELED, count):
            shape = dataset.image(scan).shape[1:]
            dataset.set_target(scan, torch.full((4, *shape), 0.5, dtype=torch.float16))
        pair = LLMSegNetPair(LLMSegNet(VNet(base_filters=2), None), LLMSegNet(VNet(base_filters=2), None))
        CoTrainer(
            device="cpu",
            max_epochs=1,
            train_data_loader=two_stream_loader(dataset, (2, 2)),
            alpha=pair.alpha,
            beta=pair.beta,
            alpha_optimizer=torch.optim.SGD(pair.alpha.parameters(), lr=0.01),
            beta_optimizer=torch.optim.SGD(pair.beta.parameters(), lr=0.01),
            ramp=lambda step: 0.3,
            epoch_length=STEPS,
        ).run()

    with TemporaryDirectory(dir=folder) as cache_dir:
        return first_cost(partial(train, cache_dir))


def _files(folder: str, number: int) -> Sequence[Path]:
    return Path(folder) / f"{number:03d}.nii", Path(folder) / f"{number:03d}_label.nii"


def _transform() -> Compose:
    return Compose(
        [
            LoadImaged(**KEYS, ensure_channel_first=True),
            WorkingGridd(**KEYS, spacing_mm=(1.0, 1.0, 1.0)),
            ScaleIntensityd("image"),
            EnsureTyped("image", dtype=torch.float16, track_meta=False),
            CompactFractionsd("label", allow_missing_keys=True),
            AffineCropd(["image", "label", "target"], CROP, allow_missing_keys=True),
        ]
    )
