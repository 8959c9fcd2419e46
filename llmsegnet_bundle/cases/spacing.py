"""The working grid against the grids of the scans."""

from collections.abc import Sequence

import nibabel as nib
import numpy as np

from llmsegnet_bundle.cases.split import Item
from llmsegnet_bundle.scans import channel_files, read_scan
from llmsegnet_bundle.scans.geometry import check_spacing_mm, in_ras_order
from llmsegnet_bundle.scans.naming import NIFTI, has_suffix
from llmsegnet_bundle.scans.nifti import nifti_affine


def check_spacing(items: Sequence[Item], spacing_mm: Sequence[float]) -> None:
    """Raise ValueError when a working grid of `spacing_mm` is none, or finer than every scan along an axis.

    Nothing would be gained by it: its voxels between those of the scans are interpolated.

    Args:
        items: with images.
        spacing_mm: right, anterior, superior.
    """
    check_spacing_mm(spacing_mm)
    finest = np.min([_spacing_mm(item) for item in items], axis=0)
    for axis, own, least in zip("xyz", spacing_mm, finest, strict=True):
        if own < 0.99 * least:
            told = f"{own:g} mm along {axis} is finer than every scan there (finest: {least:g} mm)"
            raise ValueError(f"spacing_mm: {told}; give at least that")


def _spacing_mm(item: Item) -> np.ndarray:
    file = channel_files(item["image"])[0]
    affine = nifti_affine(nib.Nifti1Image.from_filename(file).header) if has_suffix(file, NIFTI) else read_scan(file)[1]
    return np.array(in_ras_order(np.linalg.norm(affine[:3, :3], axis=0), affine))
