"""Small folders of scans for tests."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (4, 5, 6)
AFFINE = np.array([[-0.6, 0.1, 0.0, 12.0], [0.1, 0.7, 0.0, -30.0], [0.0, 0.0, 1.5, 7.0], [0.0, 0.0, 0.0, 1.0]])


def write(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return str(path)


def scan(value=0):
    """Return voxels of one value but for one, as a scan of one value alone is refused."""
    voxels = np.full(SHAPE, value, np.uint8)
    voxels[0, 0, 0] = value + 1
    return voxels


def folder(root, scans=6, labels=6, suffix=".nii.gz"):
    half = np.zeros(SHAPE, np.uint8)
    half[2:] = 1
    for i in range(scans):
        write(root / "imagesTr" / f"LA_{i}{suffix}", scan(i))
    for i in range(labels):
        write(root / "labelsTr" / f"LA_{i}{suffix}", half)
    return root


def pair(i):
    return {"image": f"imagesTr/LA_{i}.nii.gz", "label": f"labelsTr/LA_{i}.nii.gz"}


def split_file(root, **lists):
    path = root / "split.json"
    path.write_text(json.dumps(lists))
    return path


def names(items):
    return [Path(item["image"]).name.split(".")[0] for item in items]


def channels(root, cases=3, count=4, labels=True):
    for i in range(cases):
        for k in range(count):
            write(root / "imagesTr" / f"case_000{i}_000{k}.nii.gz", scan(10 * i + k))
        if labels:
            write(root / "labelsTr" / f"case_000{i}.nii.gz", np.zeros(SHAPE, np.uint8))
    return root


def spoiled(value, dtype=np.float32):
    voxels = np.zeros(SHAPE, dtype)
    voxels[1, 2, 3] = value
    return voxels


def spoil_label(folder, change):
    path = folder / "labelsTr/PHANTOM_001.nii.gz"
    label = nib.load(path)
    data, affine = change(np.asarray(label.dataobj).astype(np.float32), label.affine.copy())
    nib.save(nib.Nifti1Image(data, affine), path)
