"""Settings for scans that nobody has trained on yet, by nnU-Net's rules where this method has none of its own."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from llmsegnet_bundle.cases.survey import ScanFacts
from llmsegnet_bundle.networks import VNet, check_kernels, check_strides, plan_levels
from llmsegnet_bundle.networks.levels import SMALLEST_EDGE
from llmsegnet_bundle.precision import free_bytes, has_bf16

LARGEST_CROP = 112 * 112 * 80  # voxels, the left atrium's: the largest that the method was published with
CPU_CROP = 250_000  # voxels: a step of the left atrium's crop of 64x64x48 takes 2 cores a second
CPU_SCAN = (
    500_000  # voxels of a median scan on the working grid: half the resolution cost the left atrium 0.1 Dice points
)
STEP_BYTES = 900  # a voxel of the batch, V-Net with 16 filters in bfloat16 (3.4 GB for 4 crops of the left atrium)
BATCH = 4  # crops, 2 labeled and 2 unlabeled
LAYERS = (3, 6, 8, 8, 4)  # of the V-Net at each level, up- and down-sampling among them
FEW_LABELED = 0.15  # share of the scans: the published settings weigh the unsupervised loss 0.3 below, 1.0 above
HELD_OUT = 0.2  # of the labeled scans validate, a fold of nnU-Net's five


class Plan(NamedTuple):
    """The proposed settings, ids of `dataset.yaml`, why each is so, and what an image's sides are multiples of."""

    settings: dict[str, Any]
    reasons: dict[str, str]
    multiples: list[int]


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
    on_cpu = torch.device(device).type == "cpu"
    own_mm = _spacing_mm(facts)
    spacing_mm = own_mm * _coarsening(facts, own_mm) if on_cpu else own_mm
    median_size = _median_size(facts, spacing_mm).tolist()
    levels = plan_levels(median_size, spacing_mm.tolist())
    backbone = VNet(base_filters=1, **levels._asdict())
    bytes_a_voxel = (1 if has_bf16(device) else 2) * STEP_BYTES * _features(levels.strides) / _features(None)
    affordable = int(0.8 * free_bytes(device) / (BATCH * bytes_a_voxel))
    crop = crop_for(median_size, backbone.multiples, min(CPU_CROP if on_cpu else LARGEST_CROP, affordable))
    held_out = max(1, round(HELD_OUT * len(labeled))) if validation is None else 0
    share = (len(labeled) - held_out) / (len(facts) - held_out)
    few = share <= FEW_LABELED
    step_gb = BATCH * bytes_a_voxel * math.prod(crop) / 1e9
    memory_gb = free_bytes(device) / 2 / 1e9  # the other half is for the training
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
        **(levels._asdict() if levels != (check_strides(None), check_kernels(None)) else {}),
        **({"cache_mode": "disk"} if (kept_gb := _kept_gb(facts, spacing_mm, len(values))) > memory_gb else {}),
        "norm": "instance",
        "gpu_steps": 15_000,
        "unsupervised_weight": 0.3 if few else 1.0,
        "intensity_transforms": [intensity],
        **_augmentation(ct, spacing_mm),
    }
    size = " x ".join(f"{side:.0f}" for side in median_size)
    kept = f"{len(facts)} scans and their targets take {kept_gb:.1f} GB, {memory_gb:.1f} GB are there for them"
    reasons = {
        "classes": "background and what the labels hold",
        "labeled": "those with a label that do not validate",
        "validation": f"a fifth of {len(labeled)} scans with a label" if validation is None else "of the split file",
        "spacing_mm": "the median of the scans, finer along a coarse axis (nnU-Net)"
        + (", in plane up to twice that on a CPU" if (spacing_mm > own_mm).any() else ""),
        "crop": f"of a median scan of {size}, as much as the device takes; a step needs about {step_gb:.1f} GB",
        "strides": "a step to the next level halves an axis while its spacing is less than twice the finest (nnU-Net)",
        "kernels": "along the slices only where they lie as close as the voxels in plane (nnU-Net)",
        "cache_mode": f"{kept}; crops are cut from the files in cache_dir",
        "norm": "nnU-Net's; the averages that batch norm keeps fit no scan when few unlike ones are labeled",
        "gpu_steps": "of the published settings; 3,000 on a CPU, and --max_steps for another number",
        "unsupervised_weight": f"{share:.0%} of the training scans are labeled; 0.3 up to {FEW_LABELED:.0%}, else 1.0",
        "intensity_transforms": "0.5 and 99.5 % points of the labeled voxels (nnU-Net)" if ct else "of each scan",
        "rotate_deg": "small in CT; where slices are thick about their axis alone, else by any angle (nnU-Net)",
        "scale": "smaller in CT, where sizes are true; larger where slices are thick",
        "mirror": "none in CT, where sides tell organs apart",
        "augment_transforms": "none in CT, where gray values are absolute",
    }
    return Plan(settings, {key: reasons[key] for key in settings}, backbone.multiples)


def _spacing_mm(facts: Sequence[ScanFacts]) -> np.ndarray:
    """Return nnU-Net's target: the median, and along an axis that is coarse and has few slices the 10 % point."""
    spacings, sizes = np.array([scan.spacing_mm for scan in facts]), np.array([scan.size_voxel for scan in facts])
    target, size = np.median(spacings, axis=0), np.median(sizes, axis=0)
    worst = int(target.argmax())
    others = [axis for axis in range(3) if axis != worst]
    if target[worst] > 3 * target[others].max() and 3 * size[worst] < size[others].min():
        target[worst] = max(float(np.percentile(spacings[:, worst], 10)), float(target[others].max()))
    return target


def _median_size(facts: Sequence[ScanFacts], spacing_mm: np.ndarray) -> np.ndarray:
    return np.median([np.multiply(scan.size_voxel, scan.spacing_mm) / spacing_mm for scan in facts], axis=0)


def _kept_gb(facts: Sequence[ScanFacts], spacing_mm: np.ndarray, classes: int) -> float:
    """Return what `loading` keeps of these scans: float16 images and targets of two networks, a byte a class."""
    byte_counts = [2 + (4 * classes if scan.values is None else classes - 1) for scan in facts]
    voxels = [math.prod(np.multiply(scan.size_voxel, scan.spacing_mm) / spacing_mm) for scan in facts]
    return float(np.dot(byte_counts, voxels)) / 1e9


def _coarsening(facts: Sequence[ScanFacts], spacing_mm: np.ndarray) -> np.ndarray:
    """Return the factor of each axis, at most 2 and none for thick slices, that leaves a scan CPU_SCAN voxels."""
    fine = spacing_mm < 2 * spacing_mm.min()
    factor = (math.prod(_median_size(facts, spacing_mm)) / CPU_SCAN) ** (1 / fine.sum())
    return np.where(fine, min(2.0, factor) if factor > 1.25 else 1.0, 1.0)


def _augmentation(ct: bool, spacing_mm: np.ndarray) -> dict[str, Any]:
    """Return what differs from the recipe."""
    thick = spacing_mm > 3 * spacing_mm.min()
    if ct:
        turns = {"rotate_deg": [0 if thick.any() and not axis else 5 for axis in thick], "scale": 0.15}
        return turns | {"mirror": [0, 0, 0], "augment_transforms": []}
    # measured on ACDC, 3 patients: 0.447 instead of 0.347 with 30 degrees and 0.25 (docs/recipe.md)
    return {"rotate_deg": [180 if axis else 0 for axis in thick], "scale": 0.5} if thick.any() else {}


def _features(strides: Sequence[Sequence[int]] | None) -> float:
    """Return what the V-Net keeps for a voxel of the crop, in features of the first level."""
    shares = np.cumprod([1.0, *(1 / math.prod(factors) for factors in check_strides(strides))])
    return float(sum(layers * 2**level * shares[level] for level, layers in enumerate(LAYERS)))


def crop_for(median_size: Sequence[float], multiples: Sequence[int], most_voxels: int) -> list[int]:
    """Return the crop of a median scan: as much of it as `most_voxels` allow, in its proportions.

    Args:
        median_size: (H, W, D) in voxels of the training grid.
        multiples: of the sides, for the backbone.
        most_voxels: of the crop; the smallest crop, of 3 voxels a side at the bottleneck, may take more.
    """
    sizes, steps = np.array(median_size), np.array(multiples)
    smallest = SMALLEST_EDGE * steps
    crop = np.maximum(smallest, steps * np.ceil(sizes / steps)).astype(int)
    while crop.prod() > most_voxels and (crop > smallest).any():
        axis = int(np.where(crop > smallest, crop / sizes, 0).argmax())
        crop[axis] -= steps[axis]
    return crop.tolist()
