"""The same scan under two names: found by its voxels, so that no test scan is trained on."""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np

from llmsegnet_bundle.cases.split import Datalist
from llmsegnet_bundle.scans import case_name, read_channels

# scans of TCIA's Pancreas-CT that are said to repeat a patient of the same set
REPEATS = re.compile(r"(pancreas[-_]?(ct[-_]?)?|image|label)?(0025|0070)", re.IGNORECASE)


def check_repeats(splits: Sequence[Datalist], workers: int = 2, content: Mapping[str, str] | None = None) -> None:
    """Find scans with the same voxels under two names, in whatever orientation they are stored; read every scan.

    Scans of one list, and the known repeats of Pancreas-CT, get a line of warning on stderr.

    Args:
        splits: the lists of each split, such as of each fold.
        workers: threads that read.
        content: image -> its `voxel_hash`, where it is known; the others are read.

    Raises:
        ValueError: when the two are in different lists of a split.
    """
    images = list(dict.fromkeys(item["image"] for lists in splits for items in lists.values() for item in items))
    with ThreadPoolExecutor(workers) as pool:
        known = dict(content or {})
        unknown = [image for image in images if image not in known]
        known |= zip(unknown, pool.map(_scan_hash, unknown), strict=True)
    warnings: dict[str, None] = {}  # in order, each once
    for lists in splits:
        first: dict[str, tuple[str, str]] = {}
        for image, split in ((item["image"], split) for split, items in lists.items() for item in items):
            same, where = first.setdefault(known[image], (image, split))
            if where != split:
                raise ValueError(
                    f"{image} ({split}) and {same} ({where}) have the same voxels; leave one out by exclude"
                )
            if same != image:
                warnings[f"{image} and {same} have the same voxels, both {split}; leave one out by exclude"] = None
    if repeats := [image for image in images if REPEATS.fullmatch(case_name(image))]:
        told = "said to repeat a patient of Pancreas-CT; consider to leave out by exclude"
        warnings[f"{' and '.join(sorted(repeats))}: {told}"] = None
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)


def _scan_hash(image: str) -> str:
    volume = read_channels(image)
    return " ".join(voxel_hash(voxels, volume.affine) for voxels in volume.voxels)


def voxel_hash(voxels: np.ndarray, affine: np.ndarray) -> str:
    """Return a hash of the voxels (H, W, D), the same in every orientation they are stored in."""
    turned = nib.orientations.apply_orientation(voxels, nib.orientations.io_orientation(affine))
    plain = np.ascontiguousarray(turned, dtype=np.float32)
    return hashlib.sha256(repr(plain.shape).encode() + plain.tobytes()).hexdigest()
