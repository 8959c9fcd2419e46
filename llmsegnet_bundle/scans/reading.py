"""The one way that a scan is read: in checks, training, evaluation and inference."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from llmsegnet_bundle.scans.dicom import read_series
from llmsegnet_bundle.scans.geometry import check_affine, is_same_grid
from llmsegnet_bundle.scans.itk_files import check_text_header, read_itk
from llmsegnet_bundle.scans.naming import NIFTI, PathLike, channel_files, has_suffix
from llmsegnet_bundle.scans.nifti import nifti_affine, nifti_forms, read_nifti

LARGEST_NUMBER = float(np.finfo(np.float32).max)


class Volume(NamedTuple):
    """What a file holds.

    Args:
        voxels: (H, W, D), or (C, H, W, D) of `read_channels`.
        affine: in RAS mm.
        header: of a NIfTI file, as it stands there.
    """

    voxels: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header | None = None


def read_scan(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels (H, W, D) of a file or DICOM folder, as stored, and its affine.

    Raises:
        ValueError: when it is unreadable, not 3-D with one number per voxel, or its affine means nothing.
    """
    volume = _read(path)
    if volume.voxels.ndim != 3:
        raise _not_3d(path, volume.voxels)
    return volume.voxels, volume.affine


def read_channels(image: PathLike) -> Volume:
    """Return the voxels (C, H, W, D) of a scan, whose channels lie in one file or in several.

    Raises:
        ValueError: as `read_scan`, or when a voxel is not finite or a channel lies on another grid than the first.
    """
    first, *others = channel_files(image)
    volume = _read(first)
    voxels = volume.voxels[None] if volume.voxels.ndim == 3 else np.moveaxis(volume.voxels, -1, 0)
    _check_numbers(voxels, first)
    parts, shape = [voxels], voxels.shape[1:]
    if min(shape) < 2:
        raise ValueError(f"{first} has one slice, of shape {shape}; a scan must have 2 or more along each axis")
    for other in others:
        own, affine = read_scan(other)
        if own.shape != shape or not is_same_grid(volume.affine, affine, shape):
            raise ValueError(f"{other} lies on another grid than {first}; resample the channels of a scan to one")
        _check_numbers(own, other)
        parts.append(own[None])
    return volume._replace(voxels=parts[0] if len(parts) == 1 else np.concatenate(parts))


def read_image(image: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels (H, W, D) of a scan of one channel, as stored, and its affine.

    Raises:
        ValueError: as `read_channels`, or when there are more channels.
    """
    volume = read_channels(image)
    if len(volume.voxels) > 1:
        raise ValueError(f"{image} has {len(volume.voxels)} channels, must have one; take one of them out")
    return volume.voxels[0], volume.affine


def check_varies(voxels: Any, path: PathLike) -> None:
    """Raise ValueError when an array or tensor is not finite, or has one value alone, which tells no scale."""
    lowest, highest = _check_numbers(voxels, path)
    if lowest == highest:
        raise ValueError(f"{path} has the value {lowest:g} in all voxels; leave it out")


def forms(path: PathLike) -> list[np.ndarray]:
    """Return every affine in RAS mm that a program may take from a file: NIfTI files may hold two that differ."""
    return nifti_forms(path) if has_suffix(path, NIFTI) else [_read(path).affine]


def _read(path: PathLike) -> Volume:
    header = None
    if has_suffix(path, NIFTI):
        voxels, header = read_nifti(path)
        affine = nifti_affine(header)
    elif Path(path).is_dir():
        voxels, affine = read_series([str(file) for file in Path(path).iterdir()])
    else:
        voxels, affine = read_itk([str(path)])
        check_text_header(path)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if not 3 <= voxels.ndim <= 4 or not voxels.size or voxels.dtype.kind not in "buif":
        raise _not_3d(path, voxels)
    check_affine(path, affine, voxels.shape)
    return Volume(voxels, affine, header)


def _not_3d(path: PathLike, voxels: np.ndarray) -> ValueError:
    return ValueError(f"{path} must be 3-D with one number per voxel, got {voxels.dtype} of shape {voxels.shape}")


def _check_numbers(voxels: Any, path: PathLike) -> tuple[float, float]:
    lowest, highest = float(voxels.min()), float(voxels.max())  # NaN passes through both
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise ValueError(f"{path} has NaN or infinite voxels; replace them or leave the scan out")
    if (largest := max(-lowest, highest)) > LARGEST_NUMBER:
        raise ValueError(f"{path} has voxels of {largest:.3g}, beyond float32; correct its numbers or its slope")
    return lowest, highest
