"""One scan: read, checked, cropped, written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from llmsegnet_bundle.cases import voxel_hash
from llmsegnet_bundle.files import whole_file
from llmsegnet_bundle.prepare.datasets import DataSet
from llmsegnet_bundle.prepare.layouts import MODALITIES, Source
from llmsegnet_bundle.prepare.placing import place_label
from llmsegnet_bundle.prepare.reading import Volume, read_source
from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.geometry import is_same_grid

CROPS = ("none", "label_box", "body_box")
WHOLE = (slice(None),) * 3


@dataclass(frozen=True)
class Scan:
    """A scan that passed the checks.

    Args:
        image: NIfTI in the smallest type that holds its numbers exactly, float32 otherwise.
        others: its other channels, likewise, on the same grid.
        label: NIfTI of uint8 classes on the same grid; None when there is none.
        odd: a line for everything worth a look.
        held: those of `never_both` of the data set that the label file holds.
    """

    image: nib.Nifti1Image
    others: list[nib.Nifti1Image]
    label: nib.Nifti1Image | None
    odd: list[str]
    held: list[int]


def load_scan(source: Source, data: DataSet, crop: str = "none") -> Scan:
    """Read and check one scan.

    Args:
        source: its files.
        data: what is particular to its data set.
        crop: none, label_box (around the label, as the papers' protocol does) or body_box (around all that is no air).

    Raises:
        ValueError: when a file is unreadable, or has a wrong geometry, label or number.
    """
    volume, label_volume = read_source(source, data.h5_spacing_mm)
    image, affine = _checked_image(source.images[0], volume)
    classes, odd = None, _odd_spacing(affine, data)
    if label_volume is None:
        odd.append("no label, kept as unlabeled")
    else:
        classes, told = _checked_label(source.label or source.images[0], label_volume, (image, affine), data)
        odd += told
    box = _box(image, classes, affine, data, crop)
    if box is None:
        odd.append(f"nothing to crop around, kept whole (crop {crop})")
        box = WHOLE
    others = [_nifti(_checked_channel(file, image, affine), affine, box) for file in source.others]
    held = [] if label_volume is None else [value for value in data.never_both if (label_volume[0] == value).any()]
    label = None if classes is None else _nifti(classes, affine, box)
    return Scan(_nifti(image, affine, box), others, label, odd, held)


def write_scan(source: Source, data: DataSet, crop: str, output: Path) -> dict[str, Any]:
    """Read, check and write one scan, whole or not at all.

    Args:
        source, data, crop: as for `load_scan`.
        output: gets imagesTr/NAME.nii.gz (with several channels NAME_0000.nii.gz and so on) and labelsTr/NAME.nii.gz.

    Returns:
        What the record keeps: written files with their sizes, hash of the voxels, orientation, odd lines,
            values held of `never_both`.
    """
    scan = load_scan(source, data, crop)
    name = source.name
    channels = [f"imagesTr/{name}_{i:04d}.nii.gz" for i in range(len(MODALITIES))]
    alone = f"imagesTr/{name}.nii.gz"
    images = dict(zip(channels, [scan.image, *scan.others], strict=False)) if scan.others else {alone: scan.image}
    for file in {alone, *channels} - images.keys():
        (output / file).unlink(missing_ok=True)  # of another choice of modalities
    sizes = {}
    # the image first: a label without a scan is an error to other commands
    for file, nifti in [*images.items(), (f"labelsTr/{name}.nii.gz", scan.label)]:
        if nifti is None:
            (output / file).unlink(missing_ok=True)  # the source had a label when it was prepared before
            continue
        with whole_file(output / file) as part:
            nib.save(nifti, part)
            sizes[file] = part.stat().st_size
    affine = scan.image.affine
    return {
        "files": sizes,
        "content": voxel_hash(np.asanyarray(scan.image.dataobj), affine),
        "orientation": "unknown" if source.images[0].endswith(".h5") else "".join(nib.aff2axcodes(affine)),
        "odd": scan.odd,
        "held": scan.held,
    }


def _checked_image(file: str, volume: Volume) -> Volume:
    voxels, affine = volume
    columns = affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-9)
    if not np.isfinite(affine).all() or abs(abs(np.linalg.det(columns)) - 1) > 1e-3:
        raise ValueError(f"{file} has axes that are not at right angles, or no finite affine; correct its header")
    if voxels.ndim != 3 or not voxels.size or voxels.dtype.kind not in "buif":
        raise ValueError(f"{file} must be 3-D with one number per voxel, got {voxels.dtype} of shape {voxels.shape}")
    if voxels.dtype.kind == "f":
        if not np.isfinite(voxels).all():
            raise ValueError(f"{file} has NaN or infinite voxels; download it again")
        return voxels.astype(np.float32, copy=False), affine
    for small in (np.uint8, np.int16, np.int32):
        if np.iinfo(small).min <= voxels.min() and voxels.max() <= np.iinfo(small).max:
            return voxels.astype(small, copy=False), affine
    return voxels.astype(np.float32), affine


def _checked_channel(file: str, first: np.ndarray, affine: np.ndarray) -> np.ndarray:
    voxels, own = _checked_image(file, read_scan(file))
    if voxels.shape != first.shape or not is_same_grid(affine, own, first.shape):
        raise ValueError(f"{file} lies on another grid than the first channel; download the case again")
    return voxels


def _checked_label(file: str, volume: Volume, image: Volume, data: DataSet) -> tuple[np.ndarray, list[str]]:
    """Return the classes on the image's grid, and a line for everything odd."""
    shape = image[0].shape
    odd: list[str] = []
    if volume[0].shape != shape:
        raise ValueError(f"{file} has the shape {volume[0].shape}, its scan {shape}; download both again")
    if data.flipped_label and not file.endswith(".h5"):
        volume, odd = place_label(image, volume)
    voxels, affine = volume
    if not is_same_grid(image[1], affine, shape):
        raise ValueError(f"{file} has another affine than its scan; download both again or resample the label")
    stored = np.unique(voxels)
    if unknown := [f"{value:g}" for value in stored if value not in data.values]:  # NaN is in nothing
        more = ", ..." if len(unknown) > 5 else ""
        known = ", ".join(map(str, data.values))
        raise ValueError(f"{file} has the values {', '.join(unknown[:5])}{more}, must be of {known}; correct it")
    if data.never_both and set(data.never_both) <= set(stored):
        told = " and ".join(map(str, data.never_both))
        raise ValueError(f"{file} holds {told}, which two releases use for different things; it is of another data set")
    classes = np.zeros(shape, np.uint8)
    for value in stored:
        classes[voxels == value] = data.values[int(value)]
    return classes, odd if classes.any() else [*odd, "the label is empty"]


def _odd_spacing(affine: np.ndarray, data: DataSet) -> list[str]:
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if data.spacing_mm is None or np.allclose(spacing_mm, data.spacing_mm, rtol=0.01):
        return []
    return [f"spacing {' x '.join(f'{step:.4g}' for step in spacing_mm)} mm, {data.spacing_mm:g} mm expected"]


def _box(
    image: np.ndarray, classes: np.ndarray | None, affine: np.ndarray, data: DataSet, crop: str
) -> tuple[slice, ...] | None:
    """Return what to keep, None when there is nothing to crop around."""
    if crop == "none":
        return WHOLE
    inside = image > data.air if crop == "body_box" else classes
    tight = None if inside is None else next(iter(ndimage.find_objects((inside > 0).view(np.uint8))), None)
    if tight is None:
        return None
    margin_mm = data.label_margin_mm if crop == "label_box" and data.label_margin_mm else (0.0, 0.0, 0.0)
    margins = np.array(margin_mm) / np.linalg.norm(affine[:3, :3], axis=0)
    margin = np.rint(np.minimum(margins, image.shape)).astype(int)
    return tuple(slice(max(side.start - more, 0), side.stop + more) for side, more in zip(tight, margin, strict=True))


def _nifti(voxels: np.ndarray, affine: np.ndarray, box: tuple[slice, ...]) -> nib.Nifti1Image:
    nifti = nib.Nifti1Image(voxels, affine).slicer[box]  # moves the affine along
    nifti.header.set_xyzt_units("mm")
    return nifti
