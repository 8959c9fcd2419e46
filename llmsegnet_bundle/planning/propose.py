"""Settings for scans that nobody has trained on yet, by nnU-Net's rules where this method has none of its own."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from llmsegnet_bundle.cases.survey import ScanFacts
from llmsegnet_bundle.inference import free_bytes
from llmsegnet_bundle.precision import has_bf16

LARGEST_CROP = 112 * 112 * 80  # voxels, the left atrium's: the largest that the method was published with
STEP_BYTES = 900  # a voxel of the batch, V-Net with 16 filters in bfloat16 (3.4 GB for 4 crops of the left atrium)
BATCH = 4  # crops, 2 labeled and 2 unlabeled
SMALLEST_SIDE = 48  # of a crop
MULTIPLE = 16  # of the sides of a crop
FEW_LABELED = 0.15  # share of the scans: the published settings weigh the unsupervised loss 0.3 below, 1.0 above
HELD_OUT = 0.2  # of the labeled scans validate, a fold of nnU-Net's five


class Plan(NamedTuple):
    """The proposed settings, ids of `dataset.yaml`, and why each is so."""

    settings: dict[str, Any]
    reasons: dict[str, str]


def propose(
    facts: Sequence[ScanFacts], modality: str, device: torch.device | str, validation: int | None = None
) -> Plan:
    """Return settings for scans with these facts.

    Args:
        facts: of `survey`.
        modality: "CT" for scans in HU, which get one window for all; else each scan is scaled by itself.
        device: whose free memory bounds the crop.
        validation: how many scans that are not among these validate, as a split file names them; None to propose how
            many of these do.

    Raises:
        ValueError: when nothing is labeled in any scan, or the labels' numbers have a gap.
    """
    labeled = [scan for scan in facts if scan.values is not None]
    sample = np.concatenate([scan.intensities for scan in labeled])
    if not len(sample):
        raise ValueError("no label holds anything but background; fill labelsTr")
    values = sorted({0}.union(*(scan.values for scan in labeled if scan.values)))
    if values != list(range(len(values))):
        raise ValueError(f"the labels hold {', '.join(map(str, values))}; renumber them to 0, 1, 2 ... without a gap")
    spacing_mm = _spacing_mm(facts)
    median_size = np.median([np.multiply(scan.size_voxel, scan.spacing_mm) / spacing_mm for scan in facts], axis=0)
    bytes_a_voxel = STEP_BYTES if has_bf16(device) else 2 * STEP_BYTES
    affordable = int(0.8 * free_bytes(device) / (BATCH * bytes_a_voxel))
    crop = crop_for(median_size, min(LARGEST_CROP, affordable))
    held_out = max(1, round(HELD_OUT * len(labeled))) if validation is None else 0
    share = (len(labeled) - held_out) / (len(facts) - held_out)
    few = share <= FEW_LABELED
    step_gb = BATCH * bytes_a_voxel * math.prod(crop) / 1e9
    ct = modality.upper() == "CT"
    window = [float(np.floor(np.percentile(sample, 0.5))), float(np.ceil(np.percentile(sample, 99.5)))]
    if window[0] == window[1]:
        window[1] += 1.0
    scaling = {"keys": "image", "b_min": 0, "b_max": 1, "clip": True}
    if ct:
        intensity = {"_target_": "ScaleIntensityRanged", "a_min": window[0], "a_max": window[1], **scaling}
    else:
        intensity = {"_target_": "ScaleIntensityRangePercentilesd", "lower": 0.5, "upper": 99.5, **scaling}
    settings = {
        "classes": len(values),
        "labeled": "all",
        "validation": held_out if validation is None else validation,
        "spacing_mm": [round(float(step), 4) for step in spacing_mm],
        "crop": crop,
        "grid": [side // MULTIPLE for side in crop],
        "gpu_steps": 15_000,
        "unsupervised_weight": 0.3 if few else 1.0,
        "intensity_transforms": [intensity],
        **({"augment_transforms": []} if ct else {}),
    }
    size = " x ".join(f"{side:.0f}" for side in median_size)
    reasons = {
        "classes": "background and what the labels hold",
        "labeled": "those with a label that do not validate",
        "validation": f"a fifth of {len(labeled)} scans with a label" if validation is None else "of the split file",
        "spacing_mm": "the median of the scans, finer along a coarse axis (nnU-Net)",
        "crop": f"at most {LARGEST_CROP:,} voxels of a median scan of {size}; a step needs about {step_gb:.1f} GB",
        "grid": "of the crop's bottleneck, a sixteenth",
        "gpu_steps": "of the published settings; 3,000 on a CPU, and --max_steps for another number",
        "unsupervised_weight": f"{share:.0%} of the training scans are labeled; 0.3 up to {FEW_LABELED:.0%}, else 1.0",
        "intensity_transforms": "0.5 and 99.5 % points of the labeled voxels (nnU-Net)" if ct else "of each scan",
        "augment_transforms": "none but the crop, as for Pancreas-CT, where rotation breaks training",
    }
    return Plan(settings, {key: reasons[key] for key in settings})


def _spacing_mm(facts: Sequence[ScanFacts]) -> np.ndarray:
    """Return nnU-Net's target: the median, and along an axis that is coarse and has few slices the 10 % point."""
    spacings, sizes = np.array([scan.spacing_mm for scan in facts]), np.array([scan.size_voxel for scan in facts])
    target, size = np.median(spacings, axis=0), np.median(sizes, axis=0)
    worst = int(target.argmax())
    others = [axis for axis in range(3) if axis != worst]
    if target[worst] > 3 * target[others].max() and 3 * size[worst] < size[others].min():
        target[worst] = max(float(np.percentile(spacings[:, worst], 10)), float(target[others].max()))
    return target


def crop_for(median_size: Sequence[float], most_voxels: int) -> list[int]:
    """Return the crop of a median scan: as much of it as `most_voxels` allow, in its proportions.

    Args:
        median_size: (H, W, D) in voxels of the training grid.
        most_voxels: of the crop; the smallest crop of 48 voxels a side may take more.

    Returns:
        Sides that are multiples of 16, at least 48, the first two equal, as scans are rotated in plane.
    """
    plane = max(median_size[:2])
    sizes = [plane, plane, median_size[2]]
    crop = [max(SMALLEST_SIDE, MULTIPLE * math.ceil(side / MULTIPLE)) for side in sizes]
    while math.prod(crop) > most_voxels and max(crop) > SMALLEST_SIDE:
        shares = [crop[0] / sizes[0] if crop[0] > SMALLEST_SIDE else 0, crop[2] / sizes[2]]
        if shares[0] >= shares[1] or crop[2] == SMALLEST_SIDE:
            crop[0] = crop[1] = crop[0] - MULTIPLE
        else:
            crop[2] -= MULTIPLE
    return crop
