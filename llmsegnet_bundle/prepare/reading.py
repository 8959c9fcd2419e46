"""NRRD, DICOM and NIfTI files and the community's h5 files as voxels (H, W, D) with an affine in RAS mm."""

import os

import h5py
import numpy as np

from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.claims import check_claim
from llmsegnet_bundle.scans.dicom import read_series

Volume = tuple[np.ndarray, np.ndarray]
MOST_PACKED = 1032  # bytes that deflate makes of one, at the most


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
            image, label = (_own_dataset(file, content, name) for name in ("image", "label"))
            return image[()], label[()]
    except (OSError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file} cannot be read as h5 with image and label ({reason}); download it again") from None


def _own_dataset(file: str, content: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset whose voxels are in the file itself: h5 may name any file of the machine to take them from."""
    if name not in content.keys():  # noqa: SIM118  `in content` follows links
        raise KeyError(f"it has no {name}")
    if not isinstance(content.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{file}: {name} is a link, perhaps to another file, and is not read; download it again")
    data = content[name]
    if not isinstance(data, h5py.Dataset):
        raise ValueError(f"{file}: {name} is a group, must hold the voxels; download it again")
    if data.external or data.is_virtual:
        raise ValueError(f"{file}: {name} takes its voxels from other files, which are not read; download it again")
    if data.shape is None or len(data.shape) != 3 or data.dtype.kind not in "buif":
        raise ValueError(
            f"{file}: {name} must be 3-D with one number per voxel, got {data.dtype} of shape {data.shape}"
        )
    check_claim(file, data.shape, data.dtype.itemsize)
    if data.nbytes > MOST_PACKED * (size := os.path.getsize(file)):
        told = f"claims {data.nbytes / 1e9:.1f} GB, which a file of {size / 1e6:.3f} MB cannot hold"
        raise ValueError(f"{file}: {name} {told}; download it again")
    return data
