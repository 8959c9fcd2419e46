"""Scans in memory: stored as a file for those who read files, and masks given back in their kind."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from llmsegnet_bundle.scans.itk_files import import_itk
from llmsegnet_bundle.scans.nifti import copy_geometry


def store_image(image: Any, affine: np.ndarray | None, folder: Path) -> Path:
    """Write an image whole, numbers and geometry unchanged, and return its file, which is read as any scan's.

    Args:
        image: an array (H, W, D), with channels (H, W, D, C); a nibabel, ITK or SimpleITK image.
        affine: of an array, in RAS mm; the other kinds bring their own.
        folder: gets the file.

    Raises:
        ValueError: for another kind, an array without an affine, an image with one, or numbers that no file holds.
    """
    is_array = isinstance(image, np.ndarray)
    if not is_array and affine is not None:
        raise ValueError(f"affine: goes with an array; {type(image).__name__} brings its own")
    if is_array and (affine is None or np.shape(affine) != (4, 4)):
        raise ValueError(f"affine: an array needs one, 4x4 in RAS mm, got {_told(affine)}")
    if is_array or isinstance(image, SpatialImage):
        file = folder / "scan.nii"
        nib.save(_as_nifti(image, affine), file)
        return file
    file = folder / "scan.nrrd"
    if _is_simple_itk(image):
        import SimpleITK

        SimpleITK.WriteImage(image, str(file))
    elif _is_itk(image):
        itk = import_itk()
        itk.imwrite(image, str(file))
    else:
        raise ValueError(
            f"image: must be a path, an array, or an image of nibabel, ITK or SimpleITK, got {type(image).__name__}"
        )
    return file


def mask_like(image: Any, mask: nib.Nifti1Image) -> Any:
    """Return a mask as the same kind as the image that it is of, its axes in the same order.

    Args:
        image: as `store_image` takes it.
        mask: on the grid of the file that `store_image` wrote.
    """
    voxels = np.asarray(mask.dataobj)  # (H, W, D)
    if isinstance(image, np.ndarray):
        return voxels
    if isinstance(image, SpatialImage):
        return type(image).from_image(mask)
    there = np.ascontiguousarray(voxels.T)  # ITK has z first
    if _is_simple_itk(image):
        import SimpleITK

        result = SimpleITK.GetImageFromArray(there)
    else:
        itk = import_itk()
        result = itk.image_from_array(there)
    result.CopyInformation(image)
    return result


def _as_nifti(image: Any, affine: np.ndarray | None) -> nib.Nifti1Image:
    if isinstance(image, np.ndarray):
        voxels, header = image, None
    else:
        nifti = image if isinstance(image, nib.Nifti1Pair) else nib.Nifti1Image.from_image(image)
        voxels, header = np.asanyarray(nifti.dataobj), copy_geometry(nifti.header)
    if voxels.dtype == bool:
        voxels = voxels.astype(np.uint8)
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    if voxels.dtype.kind not in "uif":
        raise ValueError(f"image: must hold one number per voxel, got {voxels.dtype}")
    return nib.Nifti1Image(voxels, affine, header, dtype=voxels.dtype)


def _told(affine: Any) -> str:
    return "none" if affine is None else f"shape {np.shape(affine)}"


def _is_simple_itk(image: Any) -> bool:
    return type(image).__module__.startswith("SimpleITK")


def _is_itk(image: Any) -> bool:
    return type(image).__module__.startswith("itk") and hasattr(image, "GetLargestPossibleRegion")
