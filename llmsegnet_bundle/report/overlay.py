"""Scans in three planes, with the contours of label and prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llmsegnet_bundle.files import whole_file
from llmsegnet_bundle.report.figures import LABEL, PREDICTION

PLANES = ("sagittal", "coronal", "axial")
MARGIN_MM = 15.0


def planes(
    image: np.ndarray, label: np.ndarray, pred: np.ndarray, spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
) -> dict[str, Figure]:
    """Return a picture of each plane through the middle of the label, cut to label and prediction and 15 mm around.

    Args:
        image: a scan whose axes go right, anterior and superior; it is shown as radiologists look at it.
        label, pred: class of each voxel; each class gets its contour.
        spacing_mm: distance between voxel centers along each axis.

    Shape: all (H, W, D).
    """
    around = box((label > 0) | (pred > 0), [int(np.ceil(MARGIN_MM / space)) for space in spacing_mm])
    image, label, pred = (volume[around] for volume in (image, label, pred))
    figures = {}
    for axis, name in enumerate(PLANES):
        figure = Figure(figsize=(3, 3), facecolor="black")
        axes = figure.add_axes((0, 0, 1, 1))
        _draw_plane(axes, axis, image, label, pred, spacing_mm)
        figures[name] = figure
    return figures


def overlay(
    image: np.ndarray,
    label: np.ndarray,
    pred: np.ndarray,
    file: Path,
    title: str,
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Write one picture of a whole scan: three planes with contours, title and legend.

    Args:
        image, label, pred, spacing_mm: as of `planes`.
        file: picture to write.
        title: above the planes.
    """
    figure = Figure(figsize=(12, 4.5))
    for axis, name in enumerate(PLANES):
        axes = figure.add_subplot(1, 3, axis + 1)
        _draw_plane(axes, axis, image, label, pred, spacing_mm)
        axes.set_title(name)
    lines = [Line2D([], [], color=color) for color in (LABEL, PREDICTION)]
    figure.legend(lines, ["label", "prediction"], loc="lower center", ncol=2)
    figure.suptitle(title, parse_math=False)
    with whole_file(file) as part:
        figure.savefig(part, dpi=100)


def _draw_plane(
    axes: Axes, axis: int, image: np.ndarray, label: np.ndarray, pred: np.ndarray, spacing_mm: Sequence[float]
) -> None:
    shown = label if label.any() else pred if pred.any() else np.ones_like(label)
    center = round(np.nonzero(shown)[axis].mean())
    first, second = (space for other, space in enumerate(spacing_mm) if other != axis)
    scan, truth, guess = (volume.take(center, axis=axis).T for volume in (image, label, pred))
    axes.imshow(scan, cmap="gray", origin="lower", aspect=second / first)
    for plane, color in ((truth, LABEL), (guess, PREDICTION)):
        for index in np.unique(plane[plane > 0]):
            mask = plane == index
            if 0 < mask.sum() < mask.size:
                axes.contour(mask, levels=[0.5], colors=color, linewidths=1.6)
    axes.invert_xaxis()  # as radiologists look: the patient's right on the left, anterior on the left
    axes.axis("off")


def box(mask: np.ndarray, margin: Sequence[int] = (0, 0, 0)) -> tuple[slice, ...]:
    """Return the smallest box (H, W, D) around a mask and a margin in voxels; the whole image when it is empty."""
    places = np.nonzero(mask)
    if not places[0].size:
        return tuple(slice(0, side) for side in mask.shape)
    return tuple(slice(max(x.min() - more, 0), x.max() + more + 1) for x, more in zip(places, margin, strict=True))
