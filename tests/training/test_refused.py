"""Scans and settings that no training takes, each told in one line."""

import json
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from bundle_runs import BUNDLE, refused, run
from scan_folders import spoil_label


@pytest.mark.slow
def test_bad_input_ends_in_one_line(scans, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str(BUNDLE / "configs/train.json"), "--dataset_dir", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "nowhere") in done.stderr


def spoil_image(folder):
    path = folder / "imagesTr/PHANTOM_001.nii.gz"
    image = nib.load(path)
    data = np.asarray(image.dataobj).astype(np.float32)
    data[3, 4, 5] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), path)


def cut_file(path):
    path.write_bytes(path.read_bytes()[:-200])


BAD_INPUT = {
    "missing folder": (shutil.rmtree, "nowhere|does not exist"),
    "label without a scan": (
        lambda f: (f / "imagesTr/PHANTOM_002.nii.gz").unlink(),
        "PHANTOM_002.*(no|without) (a )?scan",
    ),
    "label of another shape": (lambda f: spoil_label(f, lambda d, a: (d[1:], a)), "PHANTOM_001.*shape"),
    "label of another affine": (
        lambda f: spoil_label(f, lambda d, a: (d, a * 1.1)),
        r"PHANTOM_001.*off its scan",
    ),
    "other label values": (lambda f: spoil_label(f, lambda d, a: (d * 255, a)), "PHANTOM_001.*255"),
    "corrupt gzip": (lambda f: cut_file(f / "imagesTr/PHANTOM_003.nii.gz"), "PHANTOM_003.*(read|corrupt|gzip)"),
    "NaN voxels": (spoil_image, "PHANTOM_001.*NaN"),
    "too few labels": (lambda f: [(f / f"labelsTr/PHANTOM_00{i}.nii.gz").unlink() for i in range(3)], "2 .*label"),
}


@pytest.mark.parametrize(("spoil", "match"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_scans_stop_the_training_in_one_line(spoil, match, scans, tmp_path):
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    spoil(folder)
    with refused(match):
        run(["train"], folder, tmp_path)
    assert not (tmp_path / "ckpt").exists()


@pytest.mark.parametrize("split", ["labeled", "validation"])
def test_split_file_entry_without_a_label_stops_the_training(split, scans, tmp_path):
    names = [f"PHANTOM_00{i}.nii.gz" for i in range(3)]
    items = [{"image": f"imagesTr/{name}", "label": f"labelsTr/{name}"} for name in names]
    datalist = {"labeled": [items[0]], "validation": [items[1]], "unlabeled": [items[2]["image"]]}
    del datalist[split][0]["label"]
    (tmp_path / "split.json").write_text(json.dumps(datalist))
    with refused(f"{split}.*label"):
        run(["train"], scans, tmp_path, datalist=str(tmp_path / "split.json"), labeled="all")


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"crop": [50, 48, 48]}, "crop: image sides must be multiples of"),
        ({"crop": [32, 48, 48]}, "crop: the first side must be at least 48"),
        ({"crop": 96}, "crop: must be three whole numbers from 1 to 1024"),
        ({"strides": [2, 2, 1]}, "strides: must be 4 lists of three numbers"),
        ({"batch": [0, 2]}, "batch: must be"),
        ({"batch": 2}, "batch: must be"),
        ({"max_steps": 0}, "max_steps: must be a whole number of at least 1"),
        ({"max_steps": 10.0}, "max_steps: must be a whole number of at least 1"),
        ({"max_step": 10}, "max_step: is no setting; did you mean max_steps"),
        ({"text_embedding": "none.safetensors"}, "text_embedding: none.safetensors does not exist"),
        ({"bundle_root": "."}, "is no bundle"),
    ],
)
def test_bad_settings_stop_the_training_in_one_line(setting, match, scans, tmp_path):
    with refused(match):
        run(["train"], scans, tmp_path, **setting)


@pytest.mark.parametrize("stride_voxel", [[18, 18], [24, 24, 49], "fourth"])
@pytest.mark.parametrize("names", [["train", "evaluate"], ["inference"]])
def test_bad_stride_stops_in_one_line(names, stride_voxel, scans, tmp_path):
    source = scans / "imagesTr" if names == ["inference"] else scans
    with refused(r'stride_voxel:? must be ("half"|three whole numbers of at least 1, half)'):
        run(names, source, tmp_path, stride_voxel=stride_voxel)


@pytest.mark.parametrize(("name", "flag"), [("train", "resume"), ("inference", "alternate")])
def test_text_for_a_flag_stops_in_one_line(name, flag, scans, tmp_path):
    with refused(f"{flag}: must be True or False, got 'false'"):
        run([name], scans / "imagesTr" if name == "inference" else scans, tmp_path, **{flag: "false"})


@pytest.mark.parametrize("names", [["train"], ["train", "evaluate"], ["inference"]])
def test_window_that_the_network_does_not_take_stops_in_one_line(names, scans, tmp_path):
    with refused(r"window: image sides must be multiples of .*, got \[48, 48, 40\]"):
        run(names, scans / "imagesTr" if names == ["inference"] else scans, tmp_path, window=[48, 48, 40])


def test_bad_micro_batches_stop_in_one_line(scans, tmp_path):
    with refused(r"micro_batches: must divide both shares of batch \[2, 2\], got 3"):
        run(["train"], scans, tmp_path, micro_batches=3)


def test_unknown_window_weights_stop_in_one_line(scans, tmp_path):
    with refused("window_weights: must be gaussian or constant, got 'round'"):
        run(["inference"], scans / "imagesTr", tmp_path, window_weights="round")
