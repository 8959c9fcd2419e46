"""Pictures of results."""

from pathlib import Path

import numpy as np


def overlay(image: np.ndarray, label: np.ndarray, pred: np.ndarray, file: Path, title: str) -> None:
    """Draw a scan in three planes through the middle of its label, with the contours of label and prediction.

    Args:
        image: (H, W, D).
        label: (H, W, D), 0 outside.
        pred: (H, W, D), 0 outside.
        file: picture to write.
        title: above the planes.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    shown = label if label.any() else np.ones_like(label)
    center = [round(places.mean()) for places in np.nonzero(shown)]
    figure = Figure(figsize=(12, 4.6))
    for axis, name in enumerate(("sagittal", "coronal", "axial")):
        plane = figure.add_subplot(1, 3, axis + 1)
        planes = [volume.take(center[axis], axis=axis).T for volume in (image, label, pred)]
        plane.imshow(planes[0], cmap="gray", origin="lower")
        for mask, color in zip(planes[1:], ("tab:green", "tab:red"), strict=True):
            if 0 < (mask > 0).sum() < mask.size:
                plane.contour(mask > 0, levels=[0.5], colors=color, linewidths=1.5)
        plane.set_title(name)
        plane.axis("off")
    lines = [Line2D([], [], color=color) for color in ("tab:green", "tab:red")]
    figure.legend(lines, ["label", "prediction"], loc="lower center", ncol=2)
    figure.suptitle(title)
    figure.savefig(file, dpi=100)
