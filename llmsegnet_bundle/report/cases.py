"""A scan with what lies on it, read on one grid; and where the files of a run's case are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from llmsegnet_bundle.report.results import Results
from llmsegnet_bundle.scans import PathLike, case_name, channel_files, read_channels, read_scan
from llmsegnet_bundle.scans.labels import lies_on, whole_numbers

SUFFIXES = (".nii.gz", ".nii")
MAPS = ("entropy", "disagreement")  # what inference writes with `uncertainty`


@dataclass(frozen=True)
class Case:
    """A scan (its first channel) with masks and maps of numbers by name, axes right, anterior, superior; (H, W, D)."""

    image: np.ndarray
    masks: dict[str, np.ndarray]
    maps: dict[str, np.ndarray]
    spacing_mm: tuple[float, float, float]


def read_case(
    scan: PathLike, masks: Mapping[str, PathLike], maps: Mapping[str, PathLike], same_grid: bool = True
) -> Case:
    """Read the files of a case.

    Args:
        scan: file or DICOM folder.
        masks: name -> file of classes.
        maps: name -> file of numbers, such as an uncertainty.
        same_grid: refuse headers that tell another place than the scan's; without, voxels are laid on it as they are.

    Raises:
        ValueError: when a file is unreadable, lies on another grid, or a mask holds other numbers than 0 to 255.
    """
    image = read_channels(scan)
    volumes = {}
    for name, file in {**masks, **maps}.items():
        voxels, affine = read_scan(file)
        shape = image.voxels.shape[1:]
        if voxels.shape != shape or (same_grid and not lies_on(file, affine, scan, image.affine, shape)):
            raise ValueError(f"{file} lies on another grid than {scan}; give one of this scan")
        if name in masks:
            voxels, is_whole = whole_numbers(voxels)
            if not is_whole or voxels.min() < 0 or voxels.max() > 255:
                raise ValueError(f"{file} must hold classes, whole numbers from 0 to 255")
        volumes[name] = voxels.astype(np.uint8 if name in masks else np.float32)
    turned = nib.as_closest_canonical(nib.Nifti1Image(image.voxels[0].astype(np.float32), image.affine))
    turn = nib.orientations.io_orientation(image.affine)
    volumes = {name: nib.orientations.apply_orientation(voxels, turn) for name, voxels in volumes.items()}
    x_mm, y_mm, z_mm = (float(side) for side in turned.header.get_zooms())
    return Case(
        np.asanyarray(turned.dataobj),
        {name: volumes[name] for name in masks},
        {name: volumes[name] for name in maps},
        (x_mm, y_mm, z_mm),
    )


def read_scored_case(results: Results, name: str, dataset_dir: PathLike | None = None) -> Case:
    """Read a case of a run's table: its scan, prediction and label, and uncertainties where there are any.

    Args:
        results: whose folder holds the mask, `NAME_seg.nii.gz`.
        name: of the case.
        dataset_dir: folder of imagesTr and labelsTr; None for the places in the run's record.

    Raises:
        ValueError: when a file is not there, or as `read_case`.
    """
    image, label = _sources(results, name, dataset_dir)
    mask = _existing(results.folder / f"{name}_seg")
    if mask is None:
        raise ValueError(f"{results.folder} holds no mask {name}_seg.nii.gz; evaluate with this output_dir")
    maps = {kind: file for kind in MAPS if (file := _existing(results.folder / f"{name}_{kind}"))}
    # label and mask lie on the scan, whichever of its two coordinate systems their headers hold
    case = read_case(image, {"prediction": mask, "label": label}, maps, same_grid=False)
    if classes := (results.record.get("settings") or {}).get("classes"):
        case.masks["label"] = np.minimum(case.masks["label"], classes - 1)  # merged as the bundles merge them
    return case


def _sources(results: Results, name: str, dataset_dir: PathLike | None) -> tuple[Path, Path]:
    if dataset_dir is not None:
        root = Path(dataset_dir)
        image = _existing(root / "imagesTr" / name) or _existing(root / "imagesTr" / f"{name}_0000")
        label = _existing(root / "labelsTr" / name)
        if image is None or label is None:
            raise ValueError(f"{dataset_dir} has no imagesTr and labelsTr with {name}; correct dataset_dir")
        return image, label
    for item in (results.record.get("split") or {}).get("validation", ()):
        if item.get("image") and item.get("label") and case_name(item["image"]) in (name, name.removesuffix("_seg")):
            image, label = channel_files(item["image"])[0], Path(item["label"])
            if missing := [str(file) for file in (image, label) if not file.exists()]:
                raise ValueError(f"{missing[0]} is no longer there; give --dataset_dir")
            return image, label
    raise ValueError(f"the place of the scan {name} is not recorded; give --dataset_dir")


def _existing(stem: Path) -> Path | None:
    return next((file for suffix in SUFFIXES if (file := Path(f"{stem}{suffix}")).is_file()), None)
