"""The voxels and the affine of a file."""

from typing import cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from llmsegnet_bundle.scans.naming import PathLike


def read_scan(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels of a file, as stored, and its affine.

    Raises:
        ValueError: when it is unreadable or not 3-D with one number per voxel.
    """
    try:
        scan = cast(SpatialImage, nib.load(path))
        voxels = np.asanyarray(scan.dataobj)
    except Exception as error:  # nibabel, gzip and zlib raise a dozen kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); copy or convert it again") from None
    if voxels.ndim != 3 or not voxels.size or voxels.dtype.kind not in "buif":
        raise ValueError(f"{path} must be 3-D with one number per voxel, got {voxels.dtype} of shape {voxels.shape}")
    return voxels, np.asarray(scan.affine)


def read_image(image: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels of a scan, as stored, and its affine.

    Raises:
        ValueError: as `read_scan`, or when a voxel is not finite.
    """
    voxels, affine = read_scan(image)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise ValueError(f"{image} has NaN or infinite voxels; replace them or leave the scan out")
    return voxels, affine
