"""What the scans of a folder are like: sizes, spacings, intensities, classes."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from llmsegnet_bundle.cases.split import Item, from_file, from_folder, load
from llmsegnet_bundle.parallel import cores, map_cases
from llmsegnet_bundle.scans import read_classes, read_image
from llmsegnet_bundle.scans.geometry import in_ras_order

SAMPLE = 10_000  # voxels of an organ whose intensities are kept, as nnU-Net keeps them
MOST_CLASSES = 256  # of a label file: whole numbers of one byte


class ScanFacts(NamedTuple):
    """What one scan is like; axes as of its RAS orientation.

    Args:
        size_voxel: (H, W, D).
        spacing_mm: between voxel centers.
        values: numbers that its label holds; None without a label.
        volume_ml: of all that is labeled; None without a label.
        extent_mm: of the box around what is labeled; None where nothing is.
        intensities: of a sample of the labeled voxels.
    """

    size_voxel: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    values: tuple[int, ...] | None
    volume_ml: float | None
    extent_mm: tuple[float, ...] | None
    intensities: np.ndarray


def survey(dataset_dir: str | Path, datalist: str | Path | None = None) -> list[ScanFacts]:
    """Return the facts of each scan in `imagesTr`, those with a label first.

    Args:
        dataset_dir: as for `cases.load`.
        datalist: a split file: its labeled scans and, without their labels, its unlabeled ones are looked at, so that
            nothing of the scans that validate and test gets into the settings. None for all scans of the folder.

    Raises:
        ValueError: when the folder holds no two scans with a label, or a file is unreadable or does not fit its scan.
    """
    if datalist is None:
        lists = from_folder(dataset_dir, validation=1, labeled="all")
        items = [*lists["labeled"], *lists["validation"], *lists["unlabeled"]]
    else:
        lists = from_file(datalist, dataset_dir)
        items = [*lists["labeled"], *lists["unlabeled"]]
    return list(map_cases(scan_facts, items, cores(), __name__))


def survey_labeled(
    dataset_dir: str | Path, datalist: str | Path | None = None, labeled: int | str | None = None, validation: int = 12
) -> list[ScanFacts]:
    """Return the facts of the scans that a training with these settings has labels of, and of no others.

    Args:
        dataset_dir: as for `cases.load`, as are the others.

    Raises:
        ValueError: as `cases.load`, and when a file is unreadable or does not fit its scan.
    """
    items = load(dataset_dir, datalist, labeled, validation)["labeled"]
    return list(map_cases(scan_facts, items, cores(), __name__))


def scan_facts(item: Item) -> ScanFacts:
    """Return the facts of one scan.

    Raises:
        ValueError: when a file is unreadable, has NaN or infinite voxels, or does not fit its scan.
    """
    voxels, affine = read_image(item["image"])
    turn = partial(in_ras_order, affine=affine)
    spacing_mm = turn(np.linalg.norm(affine[:3, :3], axis=0))
    size = turn(voxels.shape)
    if "label" not in item:
        return ScanFacts(size, spacing_mm, None, None, None, np.empty(0))
    label = read_classes(item["label"], voxels.shape, affine, item["image"], MOST_CLASSES)
    places = np.argwhere(label)
    volume_ml = len(places) * float(np.prod(spacing_mm)) / 1000
    if not len(places):
        return ScanFacts(size, spacing_mm, (0,), 0.0, None, np.empty(0))
    sides = turn(places.max(axis=0) - places.min(axis=0) + 1)
    extent_mm = tuple(side * step for side, step in zip(sides, spacing_mm, strict=True))
    chosen = places[np.random.default_rng(0).integers(len(places), size=min(SAMPLE, len(places)))]
    intensities = voxels[tuple(chosen.T)].astype(np.float32)
    values = tuple(int(value) for value in np.unique(label))
    return ScanFacts(size, spacing_mm, values, volume_ml, extent_mm, intensities)
