"""NRRD, DICOM and NIfTI files and the community's h5 files as voxels (H, W, D) with an affine in RAS mm."""

from collections.abc import Sequence

import h5py
import itk
import numpy as np

from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.dicom import series_files

Volume = tuple[np.ndarray, np.ndarray]


def read_source(source: Source, h5_spacing_mm: float) -> tuple[Volume, Volume | None]:
    """Return the image and the label, None where there is none.

    Args:
        source: the files.
        h5_spacing_mm: of h5 files, which hold no geometry: their axes are taken as x, y, z of an unknown orientation.

    Raises:
        ValueError: when a file is unreadable.
    """
    image = source.images[0]
    if image.endswith(".h5"):
        affine = np.diag([h5_spacing_mm] * 3 + [1.0])
        voxels, label = _read_h5(image)
        return (voxels, affine), (label, affine)
    scan = _read_itk(series_files(source.images)) if image.lower().endswith(".dcm") else read_file(image)
    return scan, None if source.label is None else read_file(source.label)


def read_file(file: str) -> Volume:
    """Return what an NRRD or NIfTI file holds.

    Raises:
        ValueError: when it is unreadable.
    """
    return _read_itk([file]) if file.endswith(".nrrd") else read_scan(file)


def _read_itk(files: Sequence[str]) -> Volume:
    try:
        image = itk.imread(files[0] if len(files) == 1 else list(files))
        voxels = itk.array_from_image(image).T  # ITK has z first
    except Exception as error:  # ITK's own and Python's kinds
        reason = " ".join(str(error).split()).rpartition("ITK ERROR: ")[2] or type(error).__name__
        raise ValueError(f"{files[0]} cannot be read ({reason[:200]}); download it again") from None
    if voxels.ndim != 3:
        raise ValueError(f"{files[0]} must be 3-D with one number per voxel, got the shape {voxels.shape}")
    affine = np.eye(4)
    affine[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    affine[:3, 3] = np.array(image.GetOrigin())
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's LPS to NIfTI's RAS


def _read_h5(file: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with h5py.File(file) as content:
            return content["image"][()], content["label"][()]
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{file} cannot be read as h5 with image and label ({error}); download it again") from None
