"""Where the voxels of a scan lie: an affine that means something, and grids that are the same."""

from collections.abc import Sequence
from itertools import product

import nibabel as nib
import numpy as np

from llmsegnet_bundle.scans.naming import PathLike

SAME_GRID_VOXEL = 0.1  # the most that a corner may lie off: no mask changes by it, and CT converters shear by less
LARGEST_MM = 10_000.0  # of a side of a scan
SMALLEST_MM = 1e-5  # of a side of a voxel: microscopes see no less
FLATTEST = 0.01  # volume of the axes' unit vectors: 1 at right angles, 0 in one plane
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def check_spacing_mm(spacing_mm: Sequence[float]) -> None:
    """Raise ValueError when a spacing is not three numbers above 0."""
    numbers = isinstance(spacing_mm, list | tuple) and all(isinstance(step, int | float) for step in spacing_mm)
    if not numbers or len(spacing_mm) != 3 or not all(0 < step < float("inf") for step in spacing_mm):
        raise ValueError(f"spacing_mm: must be three numbers above 0, got {spacing_mm}")


def check_affine(path: PathLike, affine: np.ndarray, shape: Sequence[int]) -> None:
    """Raise ValueError when an affine in mm gives the voxels of a scan of this shape no place in space."""
    advice = "correct its header or convert the scan again"
    if not np.isfinite(affine).all():
        raise ValueError(f"{path} has NaN or infinite numbers in its affine; {advice}")
    sides_mm = np.hypot.reduce(affine[:3, :3], axis=0)  # does not overflow
    told = " x ".join(f"{side:.4g}" for side in sides_mm)
    if not sides_mm.all() or abs(np.linalg.det(affine[:3, :3] / sides_mm)) < FLATTEST:
        raise ValueError(f"{path} has an affine without volume (voxels of {told} mm, or axes in one plane); {advice}")
    if sides_mm.min() < SMALLEST_MM or (sides_mm > LARGEST_MM / np.array(shape[:3])).any():
        raise ValueError(f"{path} has voxels of {told} mm; correct the spacing or its unit in the header")


def largest_shift(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> tuple[float, float]:
    """Return how far the corners of a grid lie apart under two affines, at most: in voxels of the first, and in mm."""
    corners = np.array([[*corner, 1] for corner in product(*((0, side - 1) for side in shape[:3]))]).T  # (4, 8)
    apart_mm = ((other - affine) @ corners)[:3]
    apart_voxel = np.linalg.solve(affine[:3, :3], apart_mm)
    return float(np.linalg.norm(apart_voxel, axis=0).max()), float(np.linalg.norm(apart_mm, axis=0).max())


def is_same_grid(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> bool:
    """Say whether no corner of a grid of this shape lies off by more than a tenth of a voxel."""
    return largest_shift(affine, other, shape)[0] <= SAME_GRID_VOXEL


def in_ras_order(values: Sequence, affine: np.ndarray) -> tuple:
    """Return values of the file's axes in the order of the axes that lie closest to right, anterior, superior."""
    order = np.argsort(nib.orientations.io_orientation(affine)[:, 0])
    return tuple(np.asarray(values)[order].tolist())
