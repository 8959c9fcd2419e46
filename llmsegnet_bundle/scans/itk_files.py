"""Files that ITK reads: NRRD, MetaImage, slices of DICOM."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from llmsegnet_bundle.scans.claims import check_claim
from llmsegnet_bundle.scans.detached import META, NRRD, detached_files
from llmsegnet_bundle.scans.geometry import LPS_TO_RAS
from llmsegnet_bundle.scans.naming import PathLike, has_suffix

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
        ValueError: when they are unreadable, or the voxels lie where `detached_files` reads nothing.
    """
    detached_files(files[0])
    with ONE_AT_A_TIME:
        with _told_in_one_line(files[0]):
            image_io = _image_io(files[0])
        sides = [image_io.GetDimensions(axis) for axis in range(image_io.GetNumberOfDimensions())]
        several = [len(files)] if len(files) > 1 else []
        check_claim(files[0], sides + several, image_io.GetComponentSize() * image_io.GetNumberOfComponents())
        with _told_in_one_line(files[0]):
            return _read(files, pixel_type, image_io)


@contextmanager
def _told_in_one_line(file: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ITK's own and Python's kinds
        reason = " ".join(str(error).split()).rpartition("ITK ERROR: ")[2] or type(error).__name__
        raise ValueError(f"{file} cannot be read ({reason[:200]}); copy or convert it again") from None


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


def _image_io(file: str) -> Any:
    """Return ITK's reader of a file with its header read.

    By the file's name, as ITK's own choice goes by content: what is named as another kind may name files to read.
    """
    itk = import_itk()
    kinds = {itk.NrrdImageIO: NRRD, itk.MetaImageIO: META}
    kind = next((kind for kind, suffixes in kinds.items() if has_suffix(file, suffixes)), itk.GDCMImageIO)
    image_io = kind.New(FileName=file)
    image_io.ReadImageInformation()
    return image_io


def _read(files: Sequence[str], pixel_type: Any, image_io: Any) -> tuple[np.ndarray, np.ndarray]:
    itk = import_itk()
    image = itk.imread(files[0] if len(files) == 1 else list(files), pixel_type, imageio=image_io)
    voxels = itk.array_from_image(image).T  # ITK has z first
    if image.GetNumberOfComponentsPerPixel() > 1:
        voxels = np.moveaxis(voxels, 0, -1)
    dimensions = min(image.GetImageDimension(), 3)
    affine = np.eye(4)
    direction = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    affine[:dimensions, :dimensions] = direction[:dimensions, :dimensions]
    affine[:dimensions, 3] = np.array(image.GetOrigin())[:dimensions]
    return voxels, LPS_TO_RAS @ affine
