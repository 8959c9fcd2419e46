"""A mask as a shaded surface, colored by its distance in mm to the surface of another: rays through the volume."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy import ndimage

# from where it is seen -> (up, toward the viewer), with the axes right, anterior, superior
VIEWS = {
    "from the front": ((0, 0, 1), (0, 1, 0)),
    "from the left": ((0, 0, 1), (-1, 0, 0)),
    "from behind": ((0, 0, 1), (0, -1, 0)),
}
COLORS = colormaps["coolwarm"]
LIGHT = np.array((-0.4, 0.5, 0.77))  # from the upper left, in front
SMOOTH_VOXEL = 0.8  # so that voxels are not seen as stairs


def signed_distance_mm(mask: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Return the distance of each voxel (H, W, D) to the surface of a mask, negative within it."""
    half = min(spacing_mm) / 2  # the surface lies between two voxel centers
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) - half
    return np.where(mask, half - ndimage.distance_transform_edt(mask, sampling=spacing_mm), outside)


def color_limit_mm(pred: np.ndarray, label: np.ndarray, spacing_mm: Sequence[float]) -> float:
    """Return the distance, in whole mm, that 95 % of the surface of the prediction stays below."""
    surface = pred & ~ndimage.binary_erosion(pred)
    if not surface.any() or not label.any():
        return 1.0
    return float(math.ceil(np.percentile(np.abs(signed_distance_mm(label, spacing_mm)[surface]), 95)) or 1)


def render(
    mask: np.ndarray, error_mm: np.ndarray, spacing_mm: Sequence[float], view: str, limit_mm: float, size: int = 200
) -> np.ndarray:
    """Return the picture of a mask's surface.

    Args:
        mask: boolean; none of it gives an empty picture.
        error_mm: what colors the surface: blue below 0, red above.
        spacing_mm: distance between voxel centers along each axis.
        view: a key of `VIEWS`.
        limit_mm: error of the full color.
        size: of the picture, in pixels.

    Shape: mask and error_mm (H, W, D), axes right, anterior, superior; the picture (size, size, 4), RGB and opacity.
    """
    spacing = np.asarray(spacing_mm, dtype=float)
    field = np.pad(mask.astype(np.float32), 3)
    field = ndimage.gaussian_filter(field, SMOOTH_VOXEL)
    error_mm = ndimage.gaussian_filter(np.pad(error_mm, 3, mode="edge"), SMOOTH_VOXEL)
    up, toward = (np.array(axis, dtype=float) for axis in VIEWS[view])
    screen = np.stack((np.cross(up, toward), up, toward), axis=1)  # columns: right, up, toward the viewer

    # rays from the viewer backwards: pixels of one step, and two steps in depth, whose crossing is interpolated
    step_mm = (field.shape * spacing).max() / size
    depth = size // 2
    places = np.diag(1 / spacing) @ screen @ np.diag((step_mm, -step_mm, -2 * step_mm))
    middle = (np.array(field.shape) - 1) / 2 - places @ (np.array((size, size, depth)) - 1) / 2
    rays = ndimage.affine_transform(field, places, middle, output_shape=(size, size, depth), order=1)
    behind = (rays > 0.5).argmax(axis=2)  # (size, size): the first sample within the mask, or 0
    hit = behind > 0
    columns, lines = np.nonzero(hit)
    last = behind[hit]
    before, after = rays[columns, lines, last - 1], rays[columns, lines, last]
    crossing = last - 1 + (0.5 - before) / (after - before)
    points = places @ np.stack((columns, lines, crossing)) + middle[:, None]  # (3, N) in voxels

    slopes = [_sample(field, points + e[:, None]) - _sample(field, points - e[:, None]) for e in np.diag(1 / spacing)]
    normals = -screen.T @ np.array(slopes)
    normals /= np.linalg.norm(normals, axis=0) + 1e-9
    shade = 0.4 + 0.6 * np.clip(LIGHT @ normals, 0, 1)
    colors = COLORS(Normalize(-limit_mm, limit_mm)(_sample(error_mm, points)))  # (N, 4)
    picture = np.zeros((size, size, 4), dtype=np.float32)
    picture[lines, columns] = np.column_stack((colors[:, :3] * shade[:, None], np.ones(len(shade))))
    return picture


def surface_figure(picture: np.ndarray) -> Figure:
    """Return a picture of `render` as a figure without borders."""
    figure = Figure(figsize=(2.4, 2.4), facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.clip(picture, 0, 1), interpolation="bilinear")
    axes.axis("off")
    return figure


def color_scale(limit_mm: float) -> Figure:
    """Return the color bar of the errors."""
    figure = Figure(figsize=(3.6, 0.62), facecolor="none", layout="constrained")
    axes = figure.add_subplot()
    bar = Colorbar(axes, cmap=COLORS, norm=Normalize(-limit_mm, limit_mm), orientation="horizontal")
    bar.set_ticks(
        [-limit_mm, 0, limit_mm], labels=[f"-{limit_mm:g} mm, too small", "0", f"+{limit_mm:g} mm, too large"]
    )
    axes.tick_params(labelsize=8)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    return figure


def _sample(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(volume, points, order=1, mode="nearest")
