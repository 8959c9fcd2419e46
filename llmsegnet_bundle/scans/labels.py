"""Class maps, and whether they fit their scan."""

import numpy as np

from llmsegnet_bundle.scans.naming import PathLike
from llmsegnet_bundle.scans.reading import read_scan


def read_classes(
    path: PathLike, shape: tuple[int, ...], affine: np.ndarray, source: PathLike, classes: int, kind: str = "scan"
) -> np.ndarray:
    """Return the class map of a file that lies on the grid of another.

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
    voxels, own_affine = read_scan(path)
    if voxels.shape != shape:
        raise ValueError(f"{path} has the shape {voxels.shape}, its {kind} {shape}; resample it to the {kind}")
    if not np.allclose(own_affine, affine, atol=1e-3):
        raise ValueError(f"{path} has another affine than its {kind} {source}; resample it or correct its header")
    whole = voxels.dtype.kind != "f" or (voxels == np.rint(voxels)).all()  # NaN equals nothing
    if not whole or voxels.min() < 0 or voxels.max() >= classes:
        values = [f"{value:g}" for value in np.unique(voxels)]  # sorted, NaN last
        found = ", ".join(values if len(values) <= 10 else [*values[:8], "...", values[-1]])
        raise ValueError(f"{path} has the values {found}, must be whole, 0 to {classes - 1}; renumber or set classes")
    return voxels
