"""The two surfaces of a case and the distances between them, from which its numbers derive."""

import numpy as np
import torch
from monai.metrics.utils import get_mask_edges
from scipy import ndimage

Directed = tuple[np.ndarray, np.ndarray]
AT_ONCE = 2**23  # voxels


def surface_distances(pred: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray) -> dict[str, Directed]:
    """Return the exact distance from each surface voxel of one mask to the nearest one of the other.

    Surface voxels have a face neighbor outside the mask or the image (source: medpy.metric.binary 0.5.2).

    Args:
        pred, label: masks, neither empty.
        spacing_mm: distance between voxel centers along each axis.

    Shape: pred and label (H, W, D) bool; spacing_mm (3,).

    Returns:
        Under "voxel" and "mm": distances from pred to label, and from label to pred.
    """
    cross = ndimage.generate_binary_structure(3, 1)
    pred, label = (mask & ~ndimage.binary_erosion(mask, cross) for mask in (pred, label))  # the surfaces
    forth, back = both = _directed(pred, label, np.ones(3)), _directed(label, pred, np.ones(3))
    if (spacing_mm == spacing_mm[0]).all():
        return {"voxel": both, "mm": (forth * spacing_mm[0], back * spacing_mm[0])}
    return {"voxel": both, "mm": (_directed(pred, label, spacing_mm), _directed(label, pred, spacing_mm))}


def surface_dice(pred: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray, tolerance_mm: float) -> float:
    """Return the fraction of both surfaces' area that lies within the tolerance of the other surface.

    The surface is that of marching cubes between voxel centers, with its area (source: DeepMind's surface-distance).
    `monai.metrics.compute_surface_dice(use_subvoxels=True)` gives the same; its parts are used here because in MONAI
    1.6.1 it warns of its own deprecated call, and measures in float32.

    Args:
        pred, label: masks, not both empty; one empty mask gives 0.
        spacing_mm: distance between voxel centers along each axis.
        tolerance_mm: distance that still counts as equal.

    Shape: pred and label (H, W, D) bool; spacing_mm (3,).
    """
    if not (pred.any() and label.any()):
        return 0.0
    pred_edge, label_edge, pred_area, label_area = _edges(pred, label, spacing_mm)
    forth, back = _directed(pred_edge, label_edge, spacing_mm), _directed(label_edge, pred_edge, spacing_mm)
    within = pred_area[forth <= tolerance_mm].sum() + label_area[back <= tolerance_mm].sum()
    return float(within / (pred_area.sum() + label_area.sum()))


def _edges(
    pred: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return where each surface runs between eight voxels, and its area at these places in their order."""
    masks = [torch.from_numpy(np.pad(mask, 1)) for mask in (pred, label)]
    planes = max(1, AT_ONCE // masks[0][0].numel())
    parts: list[list[np.ndarray]] = []
    for begin in range(0, len(masks[0]) - 1, planes):  # MONAI takes 40 bytes a voxel
        some = [mask[begin : begin + planes + 1] for mask in masks]
        edges = get_mask_edges(*some, spacing=spacing_mm.tolist(), crop=False)
        pred_edge, label_edge, pred_area, label_area = (np.asarray(part) for part in edges)
        parts.append([pred_edge, label_edge, pred_area[pred_edge].astype(float), label_area[label_edge].astype(float)])
    pred_edge, label_edge, pred_area, label_area = (np.concatenate(part) for part in zip(*parts, strict=True))
    return pred_edge, label_edge, pred_area, label_area


def _directed(start: np.ndarray, end: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    # the nearest voxels, not the distances of all, for which SciPy takes four times the memory
    nearest = ndimage.distance_transform_edt(~end, sampling=spacing_mm, return_distances=False, return_indices=True)
    planes, parts = max(1, AT_ONCE // start[0].size), []
    for begin in range(0, len(start), planes):
        some = slice(begin, begin + planes)
        places = np.array(start[some].nonzero())  # (3, points)
        places[0] += begin
        steps_mm = (nearest[:, some][:, start[some]] - places) * spacing_mm[:, None]
        parts.append(np.sqrt((steps_mm**2).sum(axis=0)))
    return np.concatenate(parts)
