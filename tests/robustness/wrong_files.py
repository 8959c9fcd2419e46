"""Makers of the files that wrong commands are given: each writes into a folder, named after what is wrong."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from bundle_runs import BUNDLE

SCAN, LABEL = Path("data/imagesTr/PHANTOM_000.nii.gz"), Path("data/labelsTr/PHANTOM_000.nii.gz")


def texts(folder):
    """Write a texts file, one that is cut, and one of two classes with unlike counts."""
    known = {"organ": "heart", "written_by": "a person", "date": "2026-01-01"}
    write_json(folder / "texts.yaml", known | {"texts": ["a red heart", "a large heart"]})
    write_json(folder / "unlike.yaml", known | {"texts": {"edema": ["bright"], "core": ["dark", "round"]}})
    write_json(folder / "numbers.yaml", known | {"texts": [1, 2]})
    write_json(folder / "none.yaml", known | {"texts": []})
    write_json(folder / "lacks.yaml", {"organ": "heart", "texts": ["a red heart"]})
    (folder / "cut.yaml").write_text("organ: heart\ntexts: [a red\n")
    (folder / "twice.yaml").write_text("organ: heart\norgan: liver\n")


def words(folder):
    """Write files that are none of what their names say, an empty one and a folder."""
    for name in ("a.pt", "a.safetensors", "a.nii.gz", "a.json", "a.yaml", "a.csv", "a.npz", "a.zip", "a.gguf", "a.txt"):
        (folder / name).write_text("these are words: [\n")
    (folder / "empty.nii.gz").write_bytes(b"")
    (folder / "folder").mkdir()


def bombs(folder):
    """Write texts that grow when they are read: aliases of aliases, and lists within lists."""
    lines = ["a0: &a0 [words, words, words, words, words, words, words, words, words]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (folder / "bomb.yaml").write_text("\n".join([*lines, "texts: *a11", "variants: *a11"]))
    for name in ("deep.yaml", "deep.json"):
        (folder / name).write_text("[" * 100_000)
    (folder / "text.json").write_bytes(b"\xff\xfe\x00words")


def split_files(folder):
    """Write split files: one right, each other wrong in one thing."""
    names = [f"PHANTOM_00{i}" for i in range(4)]
    pairs = [{"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"} for name in names]
    right = {"labeled": pairs[:2], "unlabeled": [pairs[2]["image"]], "validation": pairs[3:]}
    wrong = {
        "right": {},
        "twice": {"validation": pairs[1:2]},
        "repeated": {"labeled": [pairs[0], pairs[0]]},
        "absent": {"unlabeled": ["imagesTr/PHANTOM_009.nii.gz"]},
        "numbers": {"unlabeled": [7]},
        "no_label": {"validation": [{"image": pairs[3]["image"]}]},
        "no_labeled": {"labeled": []},
        "words": {"labeled": "all of them"},
        "odd_list": {"holdout": pairs[3:]},
        "null_image": {"labeled": [{"image": None, "label": pairs[0]["label"]}]},
    }
    for name, change in wrong.items():
        write_json(folder / f"{name}.json", right | change)
    write_json(folder / "list.json", pairs)


def cut_scan(folder):
    """Cut the end of a scan off."""
    (folder / SCAN).write_bytes((folder / SCAN).read_bytes()[:-300])


def text_scan(folder):
    """Write words in place of a scan."""
    (folder / SCAN).write_text("these are words")


def empty_scan(folder):
    """Leave nothing of a scan."""
    (folder / SCAN).write_bytes(b"")


def folder_scan(folder):
    """Put a folder in place of a scan."""
    (folder / SCAN).unlink()
    (folder / SCAN).mkdir()


def dangling_scan(folder):
    """Put a link to nothing in place of a scan."""
    (folder / SCAN).unlink()
    (folder / SCAN).symlink_to("nowhere.nii.gz")


def nan_scan(folder):
    """Give a scan a voxel that is not a number."""
    change(folder / SCAN, lambda data, affine: (with_voxel(data, np.nan), affine))


def infinite_scan(folder):
    """Give a scan an infinite voxel."""
    change(folder / SCAN, lambda data, affine: (with_voxel(data, np.inf), affine))


def constant_scan(folder):
    """Give all voxels of a scan one value."""
    change(folder / SCAN, lambda data, affine: (np.full_like(data, 7), affine))


def nearly_constant_scan(folder):
    """Give all voxels of a scan but one the same value."""
    change(folder / SCAN, lambda data, affine: (with_voxel(np.full_like(data, 7), 900), affine))


def flat_scan(folder):
    """Keep one slice of a scan, in two dimensions."""
    change(folder / SCAN, lambda data, affine: (data[..., 20], affine))


def series_scan(folder):
    """Make a scan one of three times."""
    change(folder / SCAN, lambda data, affine: (np.stack([data] * 3, axis=3), affine))


def singular_scan(folder):
    """Give a scan an axis of no length."""
    image = nib.load(folder / SCAN)
    header = image.header.copy()
    header["qform_code"], header["srow_x"] = 0, 0
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, header), folder / SCAN)


def complex_scan(folder):
    """Make a scan complex."""
    change(folder / SCAN, lambda data, affine: (data.astype(np.complex64), affine))


def other_shape(folder):
    """Cut a slice off a label."""
    change(folder / LABEL, lambda data, affine: (data[1:], affine))


def other_place(folder):
    """Move a label by 9 mm."""
    change(folder / LABEL, lambda data, affine: (data, moved(affine)))


def other_values(folder):
    """Write a label with 0 and 255."""
    change(folder / LABEL, lambda data, affine: (data * 255, affine))


def half_values(folder):
    """Write a label with halves."""
    change(folder / LABEL, lambda data, affine: (data * 0.5, affine))


def empty_label(folder):
    """Write a label of background alone."""
    change(folder / LABEL, lambda data, affine: (data * 0, affine))


def orphan_label(folder):
    """Take the scan of a label away."""
    (folder / SCAN).unlink()


def no_labels(folder):
    """Take all labels away."""
    shutil.rmtree(folder / "data/labelsTr")


def no_scans(folder):
    """Take all scans away and leave their folder."""
    for file in (folder / "data/imagesTr").iterdir():
        file.unlink()


def twin_scan(folder):
    """Put a scan there in two formats."""
    image = nib.load(folder / SCAN)
    nib.save(image, folder / str(SCAN).removesuffix(".gz"))


def masks(folder):
    """Copy the labels as masks, and again with each something wrong."""
    for kind in ("masks", "cut_masks", "shaped_masks", "valued_masks", "other_masks"):
        shutil.copytree(folder / "data/labelsTr", folder / kind)
    file = folder / "cut_masks/PHANTOM_000.nii.gz"
    file.write_bytes(file.read_bytes()[:-100])
    change(folder / "shaped_masks/PHANTOM_000.nii.gz", lambda data, affine: (data[1:], affine))
    change(folder / "valued_masks/PHANTOM_000.nii.gz", lambda data, affine: (data * 7, affine))
    for file in list((folder / "other_masks").iterdir()):
        file.rename(file.with_name("X" + file.name))


def evaluations(folder):
    """Write the tables of two evaluations, and some that fit neither."""
    head = "case,class,dice,hd95_pooled_voxel,asd_voxel,label_ml\n"
    tables = {
        "a": head + "c1,organ,0.9,1,1,1\nc2,organ,0.8,1,1,1\n",
        "b": head + "c1,organ,0.7,1,1,1\nc2,organ,0.8,1,1,1\n",
        "others": head + "d1,organ,0.7,1,1,1\n",
        "headless": "c1,organ,0.7\n",
        "worded": head + "c1,organ,good,1,1,1\nc2,organ,0.8,1,1,1\n",
        "doubled": head + "c1,organ,0.7,1,1,1\nc1,organ,0.8,1,1,1\n",
        "hollow": "",
    }
    for name, text in tables.items():
        (folder / name).mkdir()
        (folder / name / "metrics.csv").write_text(text)


def weights(folder):
    """Write files in the place of weights: another network's, not finite, no tensors, and one that would run code."""
    torch.save({"a.weight": torch.zeros(2)}, folder / "other.pt")
    torch.save({"a.weight": torch.tensor([float("nan")])}, folder / "nan.pt")
    torch.save({"a.weight": "words"}, folder / "text.pt")
    torch.save([torch.zeros(2)], folder / "list.pt")
    torch.save({"a": os.getcwd}, folder / "code.pt")


def trained(folder):
    """Cut one of a training's states, and give weights beside it another description."""
    for kind in ("cut", "odd", "described"):
        shutil.copytree(folder / "run", folder / kind)
    (folder / "cut/last.pt").write_bytes((folder / "cut/last.pt").read_bytes()[:-500])
    (folder / "cut/last_one_before.pt").unlink(missing_ok=True)
    torch.save({"step": 1}, folder / "odd/last.pt")
    (folder / "odd/model.json").write_text("{")
    content = json.loads((folder / "described/model.json").read_text(encoding="utf-8"))
    write_json(folder / "described/model.json", content | {"sha256": "0" * 64})


def bundle(folder):
    """Copy a bundle without weights."""
    for name in ("configs", "docs", "text"):
        shutil.copytree(BUNDLE / name, folder / "bundle" / name)
    for name in ("dataset.yaml", "LICENSE"):
        shutil.copy(BUNDLE / name, folder / "bundle" / name)


def unknown_id(folder):
    """Add an id to a bundle's dataset.yaml that no config has."""
    with (folder / "bundle/dataset.yaml").open("a") as file:
        file.write("\nspeling: 1\n")


def twice_id(folder):
    """Give an id of a bundle's dataset.yaml twice."""
    with (folder / "bundle/dataset.yaml").open("a") as file:
        file.write("\nnoise: 1\n")


def stale_config(folder):
    """Change a config of a bundle by hand."""
    (folder / "bundle/configs/train.json").write_text("{}")


def broken_yaml(folder):
    """Cut a bundle's dataset.yaml in a list."""
    (folder / "bundle/dataset.yaml").write_text("crop: [96, 96\n")


def archives(folder):
    """Write zips: one of no bundle, one that leads out of its folder."""
    with zipfile.ZipFile(folder / "none.zip", "w") as archive:
        archive.writestr("notes.txt", "no bundle")
    with zipfile.ZipFile(folder / "out.zip", "w") as archive:
        archive.writestr("../../escaped/configs/metadata.json", "{}")


def plans(folder):
    """Write plans of ablations, each wrong in one thing."""
    right = {"bundle": str(BUNDLE), "output_dir": "out/plan", "seeds": [1], "variants": {"a": {}, "b": {"noise": 0.1}}}
    wrong = {
        "no_variants": {"variants": {}},
        "no_seeds": {"seeds": []},
        "word_seed": {"seeds": ["one"]},
        "unknown_key": {"speling": 1},
        "unknown_setting": {"variants": {"a": {}, "b": {"nose": 0.1}}},
        "wrong_value": {"variants": {"a": {}, "b": {"noise": -1}}},
        "no_bundle": {"bundle": "nowhere"},
        "odd_metric": {"metric": "beauty"},
        "unknown_run": {"variants": {"a": {}, "b": {"init_from": "{run:z}/model.pt"}}},
    }
    for name, change in wrong.items():
        write_json(folder / f"{name}.yaml", right | change)


def change(file, how):
    """Write an image anew as `how` has it, of its voxels and affine."""
    image = nib.load(file)
    data, affine = how(np.asarray(image.dataobj).astype(np.float32), image.affine.copy())
    nib.save(nib.Nifti1Image(data, affine), file)


def with_voxel(data, value):
    data[3, 4, 5] = value
    return data


def moved(affine):
    affine[:3, 3] += 9
    return affine


def write_json(file, content):
    file.write_text(json.dumps(content), encoding="utf-8")
