"""CTs painted over the organ maps of ../shared/data/abdomen_labels (FLARE22): real anatomy, invented gray values.

`python tests/painted_ct.py ../shared/data/abdomen_labels FOLDER` writes them for the pancreas_ct bundle.
"""

from pathlib import Path

import fire
import nibabel as nib
import numpy as np
from scipy import ndimage

PANCREAS = 4
# HU in the portal venous phase; 1 liver, 2 and 13 kidneys, 3 spleen, 4 pancreas, 5 aorta, 6 inferior vena cava,
# 7 and 8 adrenal glands, 9 gallbladder, 10 esophagus, 11 stomach, 12 duodenum
HU = {1: 110, 2: 170, 3: 120, 4: 95, 5: 150, 6: 140, 7: 70, 8: 70, 9: 10, 10: 50, 11: 35, 12: 55, 13: 170}
AIR, TABLE, FAT, MUSCLE, BOWEL, BONE = -1000, -600, -100, 55, 45, 250


def paint(organs, spacing_mm, rng):
    """Return a CT (H, W, D) in HU of an organ map whose axes go right, anterior, superior."""
    x, y, _ = (side * space for side, space in zip(np.ogrid[tuple(map(slice, organs.shape))], spacing_mm, strict=True))
    extents = [np.nonzero(organs.any(axis=axes))[0] * spacing_mm[i] for i, axes in enumerate(((1, 2), (0, 2)))]
    center_x, center_y = ((side.min() + side.max()) / 2 for side in extents)
    half_x, half_y = (np.ptp(side) / 2 + margin for side, margin in zip(extents, rng.uniform(25, 40, 2), strict=True))
    radius = np.hypot((x - center_x) / half_x, (y - center_y) / half_y) + np.zeros((1, 1, organs.shape[2]))
    back = center_y - half_y - y  # mm behind the body

    image = np.full(organs.shape, AIR, np.float32)
    image[np.broadcast_to((back > 3) & (back < 12), organs.shape)] = TABLE
    for share, value in ((1.0, FAT), (0.88, MUSCLE), (0.8, FAT)):  # skin side, wall, inside
        image[radius < share] = value
    smooth = ndimage.gaussian_filter(rng.standard_normal(organs.shape, np.float32), [8 / side for side in spacing_mm])
    image[(radius < 0.75) & (smooth > 0.7 * smooth.std())] = BOWEL
    spine = np.hypot(x - center_x, y - center_y + 0.6 * half_y) < 18
    image[np.broadcast_to(spine, organs.shape)] = BONE
    for organ, value in HU.items():
        image[organs == organ] = value + rng.normal(0, 8)
    image[radius < 1] += 8 * (smooth / smooth.std())[radius < 1]  # texture
    image = ndimage.gaussian_filter(image, 0.6)  # voxels: the share of a voxel inside an organ
    return np.clip(image + rng.normal(0, 15, image.shape), -1024, 3071).astype(np.int16)


def write_painted_ct(labels, folder, scans=20, spacing_mm=2.5):
    """Write `imagesTr` and `labelsTr` of the first scans, every n-th voxel of the maps to come near `spacing_mm`."""
    for i, file in enumerate(sorted(Path(labels).glob("*.nii.gz"))[:scans]):
        source = nib.as_closest_canonical(nib.load(file))
        own_mm = source.header.get_zooms()
        steps = [max(1, round(spacing_mm / side)) for side in own_mm]
        organs = np.asarray(source.dataobj)[tuple(slice(None, None, step) for step in steps)]
        affine = source.affine @ np.diag([*steps, 1])
        image = paint(organs, np.multiply(own_mm, steps), np.random.default_rng(i))
        for part, voxels in (("imagesTr", image), ("labelsTr", (organs == PANCREAS).astype(np.uint8))):
            (Path(folder) / part).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, affine), Path(folder) / part / f"PAINTED_{i:04d}.nii.gz")


if __name__ == "__main__":
    fire.Fire(write_painted_ct)
