"""Class maps, and whether they fit their scan."""

import numpy as np

from llmsegnet_bundle.scans.geometry import is_same_grid, largest_shift
from llmsegnet_bundle.scans.naming import PathLike, channel_files
from llmsegnet_bundle.scans.reading import forms, read_scan

NEARLY_WHOLE = 1e-3


def read_classes(
    path: PathLike, shape: tuple[int, ...], affine: np.ndarray, source: PathLike, classes: int, kind: str = "scan"
) -> np.ndarray:
    """Return the class map of a file that lies on the grid of another, by any coordinate system of both headers.

    Args:
        path: the class map.
        shape: of the other file.
        affine: of the other file.
        source: path of the other file.
        classes: the map must hold whole numbers from 0 to classes - 1.
        kind: what the other file is to the map, for the message.

    Raises:
        ValueError: when it is unreadable, lies on another grid, or holds another number.
    """
    voxels, own = read_scan(path)
    if voxels.shape != shape:
        raise ValueError(f"{path} has the shape {voxels.shape}, its {kind} {shape}; resample it to the {kind}")
    if not lies_on(path, own, source, affine, shape):
        shift_voxel, shift_mm = largest_shift(affine, own, shape)
        raise ValueError(
            f"{path} lies up to {shift_mm:.3g} mm ({shift_voxel:.2g} voxels) off its {kind} {source}; "
            "resample it or correct its header"
        )
    classes_map, is_whole = whole_numbers(voxels)
    if not is_whole or classes_map.min() < 0 or classes_map.max() >= classes:
        values = [f"{value:g}" for value in np.unique(voxels)]  # sorted, NaN last
        found = ", ".join(values if len(values) <= 10 else [*values[:8], "...", values[-1]])
        raise ValueError(f"{path} has the values {found}, must be whole, 0 to {classes - 1}; renumber or set classes")
    return classes_map


def whole_numbers(voxels: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the voxels made whole, and whether each was so but for what arithmetic in floats leaves."""
    if voxels.dtype.kind != "f":
        return voxels, True
    rounded = np.rint(voxels)
    off = voxels - rounded
    return rounded, bool(np.abs(off, out=off).max() <= NEARLY_WHOLE)  # NaN is not


def lies_on(path: PathLike, own: np.ndarray, source: PathLike, affine: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Say whether a file lies on the grid of another of its shape, by any coordinate system of both headers.

    Args:
        path: of the file.
        own: its affine.
        source: path of the other file.
        affine: of that.
        shape: of both.
    """
    if is_same_grid(affine, own, shape):
        return True
    # a program takes one of a scan's two coordinate systems, and the masks that it saves hold that one twice
    others = forms(channel_files(source)[0])
    return any(is_same_grid(form, mine, shape) for form in others for mine in forms(path))
