"""The scan, label and mask of a case of a run, found and read on one grid."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from llmsegnet_bundle.report.run import Run
from llmsegnet_bundle.scans import case_name, channel_files, read_channels, read_scan

SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Case:
    """A scan (its first channel) with its label and the mask of the run, axes right, anterior, superior; (H, W, D)."""

    image: np.ndarray
    label: np.ndarray
    pred: np.ndarray
    spacing_mm: tuple[float, float, float]


def read_case(run: Run, name: str, dataset_dir: str | Path | None = None) -> Case:
    """Read a case of the run's table.

    Args:
        run: whose folder holds the mask, `NAME_seg.nii.gz`.
        name: of the case.
        dataset_dir: folder of imagesTr and labelsTr; None for the places in the run's record.

    Raises:
        ValueError: when a file is not there, unreadable, or the three do not fit.
    """
    image_file, label_file = _sources(run, name, dataset_dir)
    mask_file = _existing(run.folder / f"{name}_seg")
    if mask_file is None:
        raise ValueError(f"{run.folder} holds no mask {name}_seg.nii.gz; evaluate with this output_dir")
    scan = read_channels(image_file)
    volumes = [scan.voxels[0], read_scan(label_file)[0], read_scan(mask_file)[0]]
    if len({volume.shape for volume in volumes}) > 1:
        shapes = ", ".join(str(volume.shape) for volume in volumes)
        raise ValueError(f"{name}: scan, label and mask must have one 3-D shape, got {shapes}; evaluate again")
    # label and mask lie on the scan, whichever of its two coordinate systems their headers hold
    turned = [nib.as_closest_canonical(nib.Nifti1Image(_plain(volume), scan.affine)) for volume in volumes]
    image, label, pred = (np.asanyarray(volume.dataobj) for volume in turned)
    x_mm, y_mm, z_mm = (float(side) for side in turned[0].header.get_zooms())
    classes = (run.record.get("settings") or {}).get("classes")
    merged = label if classes is None else np.minimum(label, classes - 1)  # merged as the bundles merge them
    return Case(image, merged, pred, (x_mm, y_mm, z_mm))


def _plain(voxels: np.ndarray) -> np.ndarray:
    return voxels.astype(np.float32) if voxels.dtype.itemsize > 4 else voxels  # NIfTI refuses some wide types


def _sources(run: Run, name: str, dataset_dir: str | Path | None) -> tuple[Path, Path]:
    if dataset_dir is not None:
        root = Path(dataset_dir)
        found = [
            _existing(root / "imagesTr" / name) or _existing(root / "imagesTr" / f"{name}_0000"),
            _existing(root / "labelsTr" / name),
        ]
        if found[0] is None or found[1] is None:
            raise ValueError(f"{dataset_dir} has no imagesTr and labelsTr with {name}; correct dataset_dir")
        return found[0], found[1]
    split = run.record.get("split") or {}
    for item in split.get("validation", ()):
        if "label" in item and case_name(item["image"]) in (name, name.removesuffix("_seg")):
            image, label = channel_files(item["image"])[0], Path(item["label"])
            if missing := [str(file) for file in (image, label) if not file.exists()]:
                raise ValueError(f"{missing[0]} is no longer there; give --dataset_dir")
            return image, label
    raise ValueError(f"the place of the scan {name} is not recorded; give --dataset_dir")


def _existing(stem: Path) -> Path | None:
    return next((file for suffix in SUFFIXES if (file := Path(f"{stem}{suffix}")).is_file()), None)
