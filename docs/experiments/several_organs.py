"""CT painted over ../shared/data/abdomen_labels (FLARE22), a case for each scan and organ: only the anatomy is real.

    python docs/experiments/several_organs.py ../shared/data/abdomen_labels FOLDER

writes imagesTr, labelsTr and split.json, whose cases say their organ. The cases of one scan are all in one list. Never
commit them.
"""

import json
import os
import sys
from pathlib import Path

import fire
import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from painted_ct import paint

ORGANS = {"liver": (1,), "spleen": (3,), "pancreas": (4,), "kidneys": (2, 13)}  # numbers of FLARE22
LABELED, VALIDATION = 4, 6  # scans, the first and the last; those between are unlabeled


def write_cases(labels: str, folder: str, scans: int = 20, spacing_mm: float = 4.0) -> None:
    """Write the cases of the first scans, every n-th voxel of the maps to come near `spacing_mm`."""
    root = Path(str(folder))
    lists: dict[str, list[dict[str, str]]] = {"labeled": [], "unlabeled": [], "validation": []}
    for part in ("imagesTr", "labelsTr"):
        (root / part).mkdir(parents=True, exist_ok=True)
    files = sorted(Path(str(labels)).glob("*.nii.gz"))[:scans]
    if len(files) < LABELED + VALIDATION:
        sys.exit(f"{labels} has {len(files)} maps, {LABELED + VALIDATION} or more are needed; give more scans")
    for i, file in enumerate(files):
        source = nib.as_closest_canonical(nib.load(file))
        own_mm = source.header.get_zooms()
        steps = [max(1, round(spacing_mm / side)) for side in own_mm]
        organs = np.asarray(source.dataobj)[tuple(slice(None, None, step) for step in steps)]
        affine = source.affine @ np.diag([*steps, 1])
        image = nib.Nifti1Image(paint(organs, np.multiply(own_mm, steps), np.random.default_rng(i)), affine)
        first = None
        for organ, numbers in ORGANS.items():
            name = f"CT{i:02d}_{organ}.nii.gz"
            (root / "imagesTr" / name).unlink(missing_ok=True)
            if first is None:
                first = root / "imagesTr" / name
                nib.save(image, first)
            else:
                os.link(first, root / "imagesTr" / name)
            nib.save(nib.Nifti1Image(np.isin(organs, numbers).astype(np.uint8), affine), root / "labelsTr" / name)
            case = {"image": f"imagesTr/{name}", "label": f"labelsTr/{name}", "organ": organ}
            part = "labeled" if i < LABELED else "validation" if i >= len(files) - VALIDATION else "unlabeled"
            lists[part].append(case)
    (root / "split.json").write_text(json.dumps(lists, indent=1))


if __name__ == "__main__":
    fire.Fire(write_cases)
