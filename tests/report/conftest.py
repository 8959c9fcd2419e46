"""A run folder as a training and its evaluation leave it, made in a second."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from torch.utils.tensorboard import SummaryWriter

from llmsegnet_bundle.metrics import CaseTable
from llmsegnet_bundle.tools.phantom import write_phantom

CASES = [f"PHANTOM_{index:03d}" for index in range(4)]
SESSION = {"started": "2026-01-02T03:04:05+00:00", "ended": "2026-01-02T03:06:05+00:00", "device": "cpu, 2 threads"}


@pytest.fixture(scope="session")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=4, size=(56, 56, 44), spacing_mm=1.5)
    return folder


def make_run(folder, scans, worse=0):
    """Masks are eroded, the more the later; `worse` erodes them all once more."""
    folder.mkdir(parents=True)
    table = CaseTable()
    for index, case in enumerate(CASES):
        label = nib.load(scans / f"labelsTr/{case}.nii.gz")
        truth = np.asarray(label.dataobj)
        shrunk = ndimage.shift(truth, (1, 0, 0), order=0)
        if index + worse:
            shrunk = ndimage.binary_erosion(shrunk, iterations=index + worse)
        mask = shrunk.astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, label.affine), folder / f"{case}_seg.nii.gz")
        table.add(case, mask, truth, label.header.get_zooms(), ("background", "left atrium"))
    table.write(folder)
    with SummaryWriter(folder) as writer:
        for step in range(1, 241):
            for name, scale in (("loss", 2.0), ("alpha_supervised", 0.5), ("beta_usl", 0.3), ("weight", 0.0)):
                noise = 0.1 * np.sin(step * 12.9898)
                writer.add_scalar(name, scale * (np.exp(-step / 80) + noise) if scale else step / 240, step)
        for step in (60, 120, 180, 240):
            writer.add_scalar("alpha_text_share", 0.1 + step / 1000, step)
            writer.add_scalar("beta_balance", 1.0, step)
        for epoch, dice in enumerate((0.3, 0.6, 0.8, 0.75), start=1):
            writer.add_scalar("val_mean_dice", dice - worse / 10, epoch)
    items = [{"image": f"{scans}/imagesTr/{case}.nii.gz", "label": f"{scans}/labelsTr/{case}.nii.gz"} for case in CASES]
    record = {
        "settings": {"method": "labeled scans only" if worse else "co-training", "crop": [48, 48, 48], "seed": 1337},
        "identity": {"settings": {"unsupervised_weight": [float(not worse)] * 2, "seed": [1337, 1337]}},
        "split": {"digest": "0123456789ab", "labeled": items[:1], "unlabeled": [], "validation": items},
        "text": {"file": "embedding.safetensors", "sha256": "f3ba", "texts": ["<script>throw 'text'</script>"]},
        "versions": {"python": "3.11", "torch": "2.13"},
        "total_steps": 240,
        "steps_per_epoch": 60,
        "sessions": [SESSION | {"first_step": 0, "last_step": 240, "duration_s": 120.0}],
        "selection": {"metric": "val_mean_dice", "value": 0.8, "step": 180, "model_file": "model.pt"},
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "evaluation.json").write_text(json.dumps({"stride_voxel": "half", "window_weights": "gaussian"}))
    return folder


@pytest.fixture(scope="session")
def run_dir(scans, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "train/eval", scans)


@pytest.fixture(scope="session")
def baseline_dir(scans, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "baseline", scans, worse=1)
