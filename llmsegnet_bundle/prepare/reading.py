"""NRRD, DICOM and NIfTI files and the community's h5 files as voxels (H, W, D) with an affine in RAS mm."""

import h5py
import numpy as np

from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.dicom import read_series

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
    scan = read_series(source.images) if image.lower().endswith(".dcm") else read_scan(image)
    return scan, None if source.label is None else read_scan(source.label)


def _read_h5(file: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with h5py.File(file) as content:
            return content["image"][()], content["label"][()]
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{file} cannot be read as h5 with image and label ({error}); download it again") from None
