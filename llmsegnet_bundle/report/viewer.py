"""A scan with its masks and maps in three planes, within an HTML file that needs nothing else."""

import base64
import gzip
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.report.cases import Case, read_case
from llmsegnet_bundle.report.overlay import box
from llmsegnet_bundle.report.pages import render
from llmsegnet_bundle.scans import PathLike, case_name

WINDOW = (0.5, 99.5)  # percentiles that become black and white
MARGIN_MM = 30.0
PAGE_VOXELS = 10_000_000  # of scans and maps on a page, which takes at most 1.3 bytes for each


def write_viewer(
    scan: PathLike,
    mask: PathLike,
    output: PathLike,
    label: PathLike | None = None,
    uncertainty: PathLike | None = None,
) -> Path:
    """Write the page and return its path; opened in a browser it needs no server and no network.

    Args:
        scan: file or DICOM folder; of several channels the first is shown.
        mask: on the scan's grid.
        output: `.html`.
        label: another mask, to compare with.
        uncertainty: numbers on the scan's grid, such as `NAME_entropy.nii.gz` of an inference.

    Raises:
        ValueError: as `read_case`.
    """
    refuse_input(output, [scan, mask, label, uncertainty])
    masks = {"mask": mask} | ({} if label is None else {"label": label})
    case = read_case(scan, masks, {} if uncertainty is None else {"uncertainty": uncertainty})
    shown = [viewer_data(case_name(scan), case, PAGE_VOXELS)]
    target = Path(output)
    subtitle = " and ".join(str(Path(file).name) for file in masks.values())
    page = render("view.html", title=case_name(scan), subtitle=subtitle, cases=shown)
    write_texts(target.parent, {target.name: page})
    return target


def viewer_data(name: str, case: Case, most_voxels: int, around: bool = False) -> dict[str, Any]:
    """Return what `viewer.js` shows of a case.

    Args:
        name: of the case.
        case: of one or two masks, those that are compared.
        most_voxels: of scan and maps together; more are thinned, first along the axis of the smallest spacing.
        around: only the masks and 30 mm around them.
    """
    masks = list(case.masks.values())
    differing = masks[0] != masks[-1]
    seen = next((places for places in (differing, masks[0] > 0, masks[-1] > 0) if places.any()), differing)
    inside = np.logical_or.reduce([mask > 0 for mask in masks])
    margin = [math.ceil(MARGIN_MM / side) for side in case.spacing_mm]
    part = box(inside, margin) if around else tuple(slice(0, side) for side in inside.shape)
    steps = _steps([axis.stop - axis.start for axis in part], case.spacing_mm, most_voxels // (1 + len(case.maps)))
    cut = tuple(slice(axis.start, axis.stop, step) for axis, step in zip(part, steps, strict=True))
    start = [_busiest(seen[part], axis) // step for axis, step in enumerate(steps)]
    image = case.image[cut]
    low, high = np.percentile(image, WINDOW)
    layers = [{"name": key, "kind": "mask", "voxels": _packed(mask[cut])} for key, mask in case.masks.items()]
    layers += [
        {"name": key, "kind": "map", "voxels": _packed(_bytes(values[cut], 0, values.max()))}
        for key, values in case.maps.items()
    ]
    return {
        "name": name,
        "shape": image.shape,
        "spacing_mm": [side * step for side, step in zip(case.spacing_mm, steps, strict=True)],
        "start": start,
        "image": _packed(_bytes(image, low, high)),
        "layers": layers,
    }


def _steps(shape: Sequence[int], spacing_mm: Sequence[float], most_voxels: int) -> list[int]:
    steps = [1, 1, 1]
    while math.prod(-(-side // step) for side, step in zip(shape, steps, strict=True)) > most_voxels:
        finest = min(range(3), key=lambda axis: steps[axis] * spacing_mm[axis])
        steps[finest] += 1
    return steps


def _busiest(places: np.ndarray, axis: int) -> int:
    """Return the slice with most of the places; the middle one without any."""
    counts = places.sum(tuple(other for other in range(3) if other != axis))
    return int(counts.argmax()) if counts.any() else len(counts) // 2


def _bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)


def _packed(volume: np.ndarray) -> str:
    return base64.b64encode(gzip.compress(volume.tobytes(order="F"), mtime=0)).decode("ascii")
