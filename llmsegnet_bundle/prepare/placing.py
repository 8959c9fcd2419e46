"""The labels of TCIA's Pancreas-CT on their scans."""

import numpy as np

from llmsegnet_bundle.prepare.reading import Volume
from llmsegnet_bundle.scans.geometry import is_same_grid

SOFT_TISSUE_HU = (-100.0, 240.0)  # the field's window for pancreas is -125 to 275
CLEAR = 0.02  # a smaller difference of the fractions decides nothing


def place_label(image: Volume, label: Volume) -> tuple[Volume, list[str]]:
    """Lay a label on its scan: as stored, or flipped along the second axis (the rows of the DICOM slices).

    TCIA's labels count rows from the bottom, the DICOM slices from the top. The content decides: the way that has more
    of the label's voxels in soft tissue (-100 to 240 HU), if by more than 0.02. Else the header does, where one of the
    two ways lands exactly on the scan's grid, else the label is flipped as TCIA's are. What is not TCIA's way, not
    decided, or mostly outside soft tissue is told.

    Args:
        image: voxels (H, W, D) in HU and affine of the scan.
        label: voxels of the same shape and affine of the label.

    Returns:
        The label with the affine of the scan, and a line for everything odd.
    """
    (scan, affine), (voxels, own) = image, label
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    flip[1, 3] = voxels.shape[1] - 1
    ways = {True: voxels[:, ::-1], False: voxels}
    share = {flipped: _soft_share(scan, placed) for flipped, placed in ways.items()}
    by_header = [
        flipped for flipped, grid in ((True, own @ flip), (False, own)) if is_same_grid(affine, grid, scan.shape)
    ]
    clear = abs(share[True] - share[False]) > CLEAR
    flipped = share[True] > share[False] if clear else by_header[0] if by_header else True
    told = f"{share[flipped]:.0%} of the label in soft tissue, {share[not flipped]:.0%} the other way"
    odd = []
    if share[flipped] < 0.5:
        odd.append(f"the label may lie wrong: {told}; look at it")
    elif not flipped:
        odd.append(f"the label is not flipped in plane as TCIA's are: {told}; taken as stored")
    elif not clear and not by_header:
        odd.append(f"neither content nor header says how the label lies: {told}; flipped in plane as TCIA's are")
    return (ways[flipped], affine), odd


def _soft_share(scan: np.ndarray, label: np.ndarray) -> float:
    inside = scan[label > 0]
    return float(((inside >= SOFT_TISSUE_HU[0]) & (inside <= SOFT_TISSUE_HU[1])).mean()) if inside.size else 1.0
