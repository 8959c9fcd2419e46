"""Files that ITK reads: NRRD, MetaImage, slices of DICOM."""

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmsegnet_bundle.scans.geometry import LPS_TO_RAS
from llmsegnet_bundle.scans.naming import PathLike

ONE_AT_A_TIME = threading.RLock()  # ITK loads a part at its first use; threads that do so together get half of it

HEAD = 65_536  # bytes of a file that hold its text header
GEOMETRY = re.compile(
    rb"(space directions|space origin|spacings|"  # of NRRD
    rb"TransformMatrix|Orientation|Rotation|Offset|Origin|Position|ElementSpacing)\s*[:=](.*)"  # of MetaImage
)


def import_itk() -> Any:
    """Return ITK, whose import takes a second and which few files need.

    It loads a part of itself at its first use, in a working directory of its own, and other threads would not find
    relative paths meanwhile. It passes over one that is not there, and works without.
    """
    import itkConfig

    itkConfig.swig_lib = os.path.join(itkConfig.swig_py, "no folder")
    import itk

    return itk


def read_itk(files: Sequence[str], pixel_type: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels (H, W, D) or (H, W, D, C) and the affine in RAS mm of a file, or of several that make one scan.

    Args:
        files: one, or the slices in order.
        pixel_type: of ITK, that each file's numbers become; None for the type of the first.

    Raises:
        ValueError: when they are unreadable.
    """
    try:
        with ONE_AT_A_TIME:
            return _read(files, pixel_type)
    except Exception as error:  # ITK's own and Python's kinds
        reason = " ".join(str(error).split()).rpartition("ITK ERROR: ")[2] or type(error).__name__
        raise ValueError(f"{files[0]} cannot be read ({reason[:200]}); copy or convert it again") from None


def check_text_header(path: PathLike) -> None:
    """Raise ValueError when the geometry of a NRRD or MetaImage file is no number, which ITK passes over."""
    with Path(path).open("rb") as stream:
        head = stream.read(HEAD)
    for line in head.splitlines():
        if not line.strip() or line.startswith(b"ElementDataFile"):  # voxels follow
            return
        found = GEOMETRY.fullmatch(line.strip())
        if found and re.search(rb"(?i)nan|inf", found.group(2)):
            key = found.group(1).decode()
            raise ValueError(f"{path} has NaN or infinite numbers in its {key}; correct its header or convert it again")


def _read(files: Sequence[str], pixel_type: Any) -> tuple[np.ndarray, np.ndarray]:
    itk = import_itk()
    image = itk.imread(files[0] if len(files) == 1 else list(files), pixel_type)
    voxels = itk.array_from_image(image).T  # ITK has z first
    if image.GetNumberOfComponentsPerPixel() > 1:
        voxels = np.moveaxis(voxels, 0, -1)
    dimensions = min(image.GetImageDimension(), 3)
    affine = np.eye(4)
    direction = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    affine[:dimensions, :dimensions] = direction[:dimensions, :dimensions]
    affine[:dimensions, 3] = np.array(image.GetOrigin())[:dimensions]
    return voxels, LPS_TO_RAS @ affine
