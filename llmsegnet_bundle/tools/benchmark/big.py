"""What a large CT takes of memory through the commands of a user: a small network, a generated scan."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser

from llmsegnet_bundle.tools.benchmark.measure import Cost, cost_of_command

SPACING_MM = (0.8, 0.8, 1.0)
WINDOW = (128, 128, 96)
NETWORK = {"base_filters": 2, "crop": WINDOW, "text_embedding": "none"}
ASKED = {"deploy": "alpha", "stride_voxel": (128, 128, 48), "show_progress": False}  # half the time, the same memory


def write_ct(folder: Path, size: Sequence[int], classes: int) -> None:
    """Write two scans with labels, of which the last one is large: a body of noise with an organ in it for each class.

    Args:
        folder: gets `imagesTr` and `labelsTr`, in files that are not compressed.
        size: (H, W, D) of the large one.
        classes: with the background.
    """
    for name, shape in (("ct_0", (64, 64, 64)), ("ct_1", tuple(size))):
        image, label = np.full(shape, -1000, np.int16), np.zeros(shape, np.uint8)
        middle = tuple(slice(side // 8, side - side // 8) for side in shape)
        noise = np.random.default_rng(0).integers(-100, 100, image[middle].shape[:2], dtype=np.int16)
        image[middle] = noise[..., None]
        for kind, slices in enumerate(np.array_split(np.arange(shape[2]), classes - 1), start=1):
            organ = (*middle[:2], slice(slices[0], slices[-1] + 1))
            label[organ] = kind
            image[organ] += 15 * kind
        affine = np.diag([*SPACING_MM, 1.0])
        for part, voxels in (("imagesTr", image), ("labelsTr", label)):
            (folder / part).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, affine), folder / part / f"{name}.nii")


def write_weights(file: Path, bundle: str, classes: int) -> None:
    """Write random weights of the small pair."""
    torch.manual_seed(0)
    config = ConfigParser()
    config.read_config(f"{bundle}/configs/inference.json")
    config.update({**NETWORK, "classes": classes, "bundle_root": bundle})
    torch.save(config.get_parsed_content("network_def").state_dict(), file)


def segment(folder: Path, bundle: str, settings: Mapping[str, Any]) -> Cost:
    """Return the cost of `llmsegnet_bundle segment` of the large scan.

    Args:
        folder: of `write_ct`; its `masks` is removed after.
        bundle: folder.
        settings: of inference.json, besides those of the small network.
    """
    command = [sys.executable, "-m", "llmsegnet_bundle", "segment", str(folder / "imagesTr/ct_1.nii")]
    command += [str(folder / "masks"), "--bundle", bundle, "--overwrite", "True"]
    cost = cost_of_command(command + _given({**NETWORK, **ASKED, **settings}))
    shutil.rmtree(folder / "masks")
    return cost


def evaluate(folder: Path, bundle: str, settings: Mapping[str, Any]) -> Cost:
    """Return the cost of MONAI's command with evaluate.json, for the large scan; arguments as of `segment`."""
    configs = [f"{bundle}/configs/{name}.json" for name in ("train", "evaluate")]
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluating", "--config_file", str(configs)]
    places = {"bundle_root": bundle, "dataset_dir": folder, "output_dir": folder / "scores", "cache_dir": "none"}
    split = {"labeled": 1, "validation": 1}
    return cost_of_command(command + _given({**places, **split, **NETWORK, **ASKED, **settings}))


def _given(settings: Mapping[str, Any]) -> list[str]:
    return [
        part
        for name, value in settings.items()
        for part in (f"--{name}", str(list(value) if isinstance(value, tuple) else value).replace(" ", ""))
    ]
