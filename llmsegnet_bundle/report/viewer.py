"""A scan and its masks in three planes with sliders, as one HTML file that needs nothing else."""

import base64
import gzip
import html
import json
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np

from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.scans import case_name, read_image, read_scan
from llmsegnet_bundle.scans.geometry import is_same_grid

LARGEST_SIDE = 256  # of what is shown; of larger scans every second voxel, or every third
WINDOW = (0.5, 99.5)  # percentiles that become black and white


def write_viewer(scan: str | Path, mask: str | Path, output: str | Path, label: str | Path | None = None) -> Path:
    """Write the page and return its path; opened in a browser it needs no server and no network.

    Args:
        scan: file or DICOM folder of one channel.
        mask: on the scan's grid.
        output: `.html`.
        label: another mask, to compare with.

    Raises:
        ValueError: when a file is unreadable, or a mask holds another grid or other numbers than 0 to 255.
    """
    refuse_input(output, [scan, mask, label])
    voxels, affine = read_image(scan)
    layers = {}
    for name, file in (("mask", mask), ("label", label)):
        if file is None:
            continue
        classes, own = read_scan(file)
        if classes.shape != voxels.shape or not is_same_grid(affine, own, voxels.shape):
            raise ValueError(f"{file} lies on another grid than {scan}; give a mask of this scan")
        if classes.min() < 0 or classes.max() > 255 or (classes != np.rint(classes)).any():
            raise ValueError(f"{file} must hold classes, whole numbers from 0 to 255")
        layers[name] = classes.astype(np.uint8)
    low, high = np.percentile(voxels, WINDOW)
    gray = np.clip((voxels - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    turn = nib.orientations.io_orientation(affine)
    steps = [-(-side // LARGEST_SIDE) for side in nib.orientations.apply_orientation(gray, turn).shape]
    thin = tuple(slice(None, None, step) for step in steps)
    shown = {
        name: nib.orientations.apply_orientation(volume, turn)[thin]
        for name, volume in ({"image": gray} | layers).items()
    }
    canonical = affine @ nib.orientations.inv_ornt_aff(turn, voxels.shape)
    foreground = np.argwhere(shown["mask"])
    middle = np.median(foreground, axis=0) if len(foreground) else np.array(shown["image"].shape) // 2
    told = {
        "shape": shown["image"].shape,
        "spacing_mm": (np.linalg.norm(canonical[:3, :3], axis=0) * steps).round(4).tolist(),
        "start": middle.astype(int).tolist(),
        "image": _packed(shown["image"]),
        "layers": [{"name": name, "voxels": _packed(shown[name])} for name in layers],
    }
    template = (files("llmsegnet_bundle") / "report" / "viewer.html").read_text(encoding="utf-8")
    page = template.replace("{{data}}", json.dumps(told)).replace("{{title}}", html.escape(case_name(scan)))
    target = Path(output)
    write_texts(target.parent, {target.name: page})
    return target


def _packed(volume: np.ndarray) -> str:
    return base64.b64encode(gzip.compress(volume.tobytes(order="F"), mtime=0)).decode("ascii")
