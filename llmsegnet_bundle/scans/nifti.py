"""NIfTI: which of a header's two coordinate systems counts, in which unit, and how a mask takes them over."""

from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from llmsegnet_bundle.scans.claims import check_claim
from llmsegnet_bundle.scans.geometry import LPS_TO_RAS
from llmsegnet_bundle.scans.itk_files import ONE_AT_A_TIME, import_itk
from llmsegnet_bundle.scans.naming import PathLike

MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y"),
    *("qoffset_z", "sform_code", "srow_x", "srow_y", "srow_z"),
)


def read_nifti(path: PathLike) -> tuple[np.ndarray, nib.Nifti1Header]:
    """Return the voxels of a file and its header as it stands in the file.

    Raises:
        ValueError: when it is unreadable, or its slope or intercept is no number.
    """
    try:
        image = cast(nib.Nifti1Image, nib.load(path))
        with ImageOpener(str(path)) as stream:  # nibabel's image forgets the slope
            header = type(image.header).from_fileobj(stream, check=False)
    except Exception as error:  # nibabel, gzip and zlib raise a dozen kinds
        raise _unreadable(path, error) from None
    scaling = [float(header[key]) for key in ("scl_slope", "scl_inter")]
    if scaling[0] != 0 and not np.isfinite(scaling).all():  # with a slope of 0 nothing is scaled
        told = f"scl_slope {scaling[0]:g} and scl_inter {scaling[1]:g}"
        raise ValueError(f"{path} has {told}, so that its numbers mean nothing; correct its header")
    check_claim(path, image.shape, image.get_data_dtype().itemsize)
    try:
        return np.asanyarray(image.dataobj), header
    except Exception as error:
        raise _unreadable(path, error) from None


def nifti_affine(header: nib.Nifti1Header) -> np.ndarray:
    """Return the affine in RAS mm: the sform if it has a code, else the qform if it has one, else nibabel's default."""
    positive = header.copy()
    positive["pixdim"][1:4] = np.abs(header["pixdim"][1:4])  # as nibabel takes what some converters write
    return _in_mm(header, positive.get_best_affine())


def nifti_forms(path: PathLike) -> list[np.ndarray]:
    """Return every affine that a program may take from a file, in RAS mm: its sform, its qform, ITK's reading.

    The last one has the numbers as they stand there, where their unit is another: who saves a label with nibabel by the
    affine of its scan keeps the numbers and not the unit.
    """
    header = cast(nib.Nifti1Image, nib.load(path)).header
    forms = [nifti_affine(header)]
    try:
        qform = header.get_qform(coded=True)[0]
    except ValueError:  # no rotation
        qform = None
    forms += [] if qform is None else [_in_mm(header, qform)]
    seen_by_itk = _itk_affine(path)
    forms += [] if seen_by_itk is None else [seen_by_itk]
    stored = header.get_best_affine()
    return forms if np.array_equal(stored, forms[0]) else [*forms, stored]


def as_bytes(header: nib.Nifti1Header) -> np.ndarray:
    """Return a header as bytes that a scan's metadata can carry to its mask."""
    return np.frombuffer(header.as_byteswapped("<").binaryblock, np.uint8).copy()


def from_bytes(block: Any) -> nib.Nifti1Header:
    """Return the header that `as_bytes` was given."""
    raw = np.asarray(block, np.uint8).tobytes()
    kind = nib.Nifti1Header if len(raw) == nib.Nifti1Header.template_dtype.itemsize else nib.Nifti2Header
    return kind(raw, endianness="<", check=False)


def copy_geometry(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """Return a new header with both coordinate systems, their codes and the unit of another."""
    own = nib.Nifti1Header()
    set_geometry(own, header)
    return own


def set_geometry(own: nib.Nifti1Header, header: nib.Nifti1Header) -> None:
    """Give a header both coordinate systems, their codes and the unit of another, just as they stand there."""
    for key in GEOMETRY:
        own[key] = header[key]


def _in_mm(header: nib.Nifti1Header, affine: np.ndarray) -> np.ndarray:
    try:
        factor = MM[header.get_xyzt_units()[0]]
    except KeyError:  # a code that the standard does not know
        factor = 1.0
    return np.diag([factor] * 3 + [1.0]) @ affine


def _itk_affine(path: PathLike) -> np.ndarray | None:
    with ONE_AT_A_TIME:
        return _ask_itk(path)


def _ask_itk(path: PathLike) -> np.ndarray | None:
    itk = import_itk()
    image_io = itk.NiftiImageIO.New(FileName=str(path))
    try:
        image_io.ReadImageInformation()
    except RuntimeError:  # it refuses sheared axes
        return None
    affine = np.eye(4)
    for axis in range(3):
        affine[:3, axis] = np.array(image_io.GetDirection(axis)[:3]) * image_io.GetSpacing(axis)
        affine[axis, 3] = image_io.GetOrigin(axis)
    return LPS_TO_RAS @ affine


def _unreadable(path: PathLike, error: Exception) -> ValueError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"{path} cannot be read ({reason}); copy or convert it again")
