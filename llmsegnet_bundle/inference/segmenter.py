"""Segmentation in one line: a bundle's own inference.json, evaluated for scans on disk or in memory."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import nibabel as nib
import numpy as np
from monai.bundle import ConfigParser

from llmsegnet_bundle.documents import ASSEMBLE, read_json, read_metadata
from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.scans.images import mask_like, store_image
from llmsegnet_bundle.sharing import find_bundle

# where pydicom is installed it would tell, at each loading, of a decoder on the GPU that is not
logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)
STEPS = ("initialize", "run")
ARGUMENTS = {"dataset_dir": "SOURCE", "output_dir": "OUTPUT", "bundle_root": "BUNDLE"}  # id -> what gives it


def segment(image: Any, bundle: str | Path = "left_atrium", affine: np.ndarray | None = None, **settings: Any) -> Any:
    """Return the mask of a scan, voxel by voxel that of the bundle's inference.json.

    Args:
        image: the path of a scan (a NIfTI, NRRD or MetaImage file, a folder of one DICOM series), an array (H, W, D) or
            with channels (H, W, D, C), or an image of nibabel, ITK or SimpleITK.
        bundle: name or folder, as for `sharing.find_bundle`.
        affine: of an array, in RAS mm: voxel indices to space.
        settings: ids of inference.json, such as `device="cpu"` or `largest_component=True`.

    Returns:
        The mask of uint8 classes: a nibabel image for a path, else the kind of `image`, its axes in the same order.

    Raises:
        ValueError: when the image cannot be segmented, a path holds several scans, there is no such bundle or setting.

    Example:
        >>> mask = llmsegnet_bundle.segment(nib.load("scan.nii.gz"))
    """
    is_path = isinstance(image, str | Path)
    if is_path and affine is not None:
        raise ValueError("affine: goes with an array; a file brings its own")
    with TemporaryDirectory() as folder:
        file = Path(image) if is_path else store_image(image, affine, Path(folder))
        masks = Path(folder) / "masks"
        try:
            segment_files(file, masks, bundle, **{"show_progress": False} | settings)
        except ValueError as error:
            raise ValueError(str(error).replace(str(file), str(image) if is_path else "image")) from None
        found = sorted(masks.glob("*_seg.nii.gz"))
        if len(found) != 1:
            raise ValueError(f"{image} holds {len(found)} scans; give one, or segment the folder into another")
        stored = cast(nib.Nifti1Image, nib.load(found[0]))
        mask = nib.Nifti1Image(np.asarray(stored.dataobj), stored.affine, stored.header)
    return mask if is_path else mask_like(image, mask)


def segment_files(
    source: str | Path, output_dir: str | Path, /, bundle: str | Path = "left_atrium", **settings: Any
) -> ConfigParser:
    """Write the mask of each scan of a file or folder, as the bundle's inference.json does.

    Args:
        source: a scan or a folder of scans: `dataset_dir`.
        output_dir: gets `NAME_seg.nii.gz`.
        bundle: name or folder.
        settings: other ids of inference.json than these three give, with the values to put over its own.

    Returns:
        The config, evaluated.

    Raises:
        ValueError: when there is no such bundle or setting, a setting or a scan is bad: after the others are done.
    """
    for name, argument in ARGUMENTS.items():
        if name in settings:
            raise ValueError(f"{name}: is given already, as {argument}; leave it out")
    config = read_inference(bundle, {"dataset_dir": str(source), "output_dir": str(output_dir)} | settings)
    evaluate_parts(config, STEPS)
    return config


def read_inference(bundle: str | Path, settings: Mapping[str, Any]) -> ConfigParser:
    """Return a bundle's inference.json with settings over its own, nothing of it evaluated.

    Args:
        bundle: name or folder.
        settings: id -> value.

    Raises:
        ValueError: when there is no such bundle or setting.
    """
    folder = find_bundle(bundle)
    file = folder / "configs" / "inference.json"
    if not file.is_file():
        raise ValueError(f"bundle: {file} does not exist; give a bundle with inference")
    read_metadata(folder)  # which MONAI's parser would tell of in its own way
    advice = ASSEMBLE.format(folder)
    if missing := {*STEPS, "dataset_dir", "output_dir"} - read_json(file, advice).keys():
        raise ValueError(f"{file} lacks {', '.join(sorted(missing))}; {advice}")
    config = ConfigParser()
    config.read_config(str(file))
    config.read_meta(str(folder / "configs" / "metadata.json"))
    for name in settings:
        if name not in config:
            raise ValueError(f"{name}: {file} has no such setting; docs/inference.md lists them")
    config.update({"bundle_root": str(folder), **settings})
    return config


def evaluate_parts(config: ConfigParser, ids: Sequence[str]) -> list[Any]:
    """Return what ids of a config come to, in their order; the package's own refusals are a ValueError of their line.

    Raises:
        ValueError: when a setting or a scan is bad.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's parser and torch, that a person can do nothing about
        try:
            return [config.get_parsed_content(name) for name in ids]
        except Exception as error:
            told = told_in_one_line(error)
            if told is None:
                raise
            raise ValueError(told) from error
