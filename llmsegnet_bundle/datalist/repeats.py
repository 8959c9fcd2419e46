"""The same scan under two names: found by its voxels, so that no test scan is trained on."""

import hashlib
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np

from llmsegnet_bundle.datalist.checks import read_scan
from llmsegnet_bundle.datalist.lists import Datalist, case_name, channel_files

# scans of TCIA's Pancreas-CT that are said to repeat a patient of the same set
REPEATS = re.compile(r"(pancreas[-_]?(ct[-_]?)?|image|label)?(0025|0070)", re.IGNORECASE)


def check_repeats(splits: Sequence[Datalist], workers: int = 2) -> None:
    """Find scans with the same voxels under two names, in whatever orientation they are stored; read every scan.

    Scans of one list, and the known repeats of Pancreas-CT, get a line of warning on stderr.

    Args:
        splits: the lists of each split, such as of each fold.
        workers: threads that read.

    Raises:
        ValueError: when the two are in different lists of a split.
    """
    images = list(dict.fromkeys(item["image"] for lists in splits for items in lists.values() for item in items))
    with ThreadPoolExecutor(workers) as pool:
        content = dict(zip(images, pool.map(_voxel_hash, images), strict=True))
    warnings: dict[str, None] = {}  # in order, each once
    for lists in splits:
        first: dict[str, tuple[str, str]] = {}
        for image, split in ((item["image"], split) for split, items in lists.items() for item in items):
            same, where = first.setdefault(content[image], (image, split))
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


def _voxel_hash(image: str) -> str:
    told = hashlib.sha256()
    for file in channel_files(image):
        voxels, affine = read_scan(file)
        turned = nib.orientations.apply_orientation(voxels, nib.orientations.io_orientation(affine))
        content = np.ascontiguousarray(turned, dtype=np.float32)
        told.update(repr(content.shape).encode() + content.tobytes())
    return told.hexdigest()
