"""One network for several organs: trained, continued, evaluated and asked for one, all through the configs."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import prepared, refused, run, workflow

from llmsegnet_bundle.networks.weights import read_description
from llmsegnet_bundle.text import save_embedding
from llmsegnet_bundle.tools.phantom import write_phantom

ORGANS = ["liver", "spleen"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=5, size=(52, 52, 50), spacing_mm=1.25)
    items = [
        {"image": f"imagesTr/PHANTOM_00{i}.nii.gz", "label": f"labelsTr/PHANTOM_00{i}.nii.gz", "organ": ORGANS[i % 2]}
        for i in range(5)
    ]
    lists = {"labeled": items[:2], "unlabeled": items[2:3], "validation": items[3:]}
    (folder / "split.json").write_text(json.dumps(lists))
    torch.manual_seed(0)
    save_embedding(folder / "text.safetensors", torch.randn(2, 1, 3, 8), {"organs": ORGANS})
    return folder


def settings(scans, **other):
    several = {"datalist": str(scans / "split.json"), "text_embedding": str(scans / "text.safetensors")}
    return several | {"labeled": "all", "targets": "scan_mean", "ramp_start": 0} | other


def test_unknown_organ_and_missing_choice_stop_in_one_line(scans, tmp_path):
    save_embedding(tmp_path / "other.safetensors", torch.randn(2, 1, 3, 8), {"organs": ["kidney", "liver"]})
    with refused(r"organ 'spleen' is unknown; text_embedding has texts of kidney, liver"):
        prepared(["train"], scans, tmp_path, **settings(scans, text_embedding=str(tmp_path / "other.safetensors")))
    text = {"text_embedding": str(scans / "text.safetensors"), "model_file": str(tmp_path / "none.pt")}
    for organ, told in ((None, "this network knows liver, spleen; choose one"), ("lver", "'lver' is unknown")):
        with refused(told):
            workflow(["inference"], **text, organ=organ).parser.get_parsed_content("network_def")


@pytest.mark.slow
def test_network_for_several_organs_goes_through_all_commands(scans, tmp_path):
    run(["train"], scans, tmp_path, **settings(scans, max_steps=2, val_interval=1))
    told = read_description(tmp_path / "ckpt/model.pt")["settings"]["text_embedding"]
    assert (told["organs"], told["shape"]) == (ORGANS, [2, 1, 3, 8])
    run(["train"], scans, tmp_path, **settings(scans, max_steps=3, val_interval=1))  # continues
    swap = {"swap_text": ["next", str(scans / "text.safetensors")], "model_file": str(tmp_path / "ckpt/model.pt")}
    run(["train", "evaluate"], scans, tmp_path, **settings(scans, **swap))
    told = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    assert list(told["dice_by_text"]) == ["right", "next", "text.safetensors"]
    assert set(told["dice_by_text"]["right"]) == set(ORGANS)
    assert told["swap_text"]["text.safetensors"] == 0  # its own text
    assert told["stride_voxel"] is not None
    masks = {}
    for organ in ORGANS:
        places = {"dataset_dir": str(scans / "imagesTr/PHANTOM_004.nii.gz"), "output_dir": str(tmp_path / organ)}
        flow = workflow(["inference"], show_progress=False, probabilities=True, organ=organ, **places)
        flow.parser["model_file"] = str(tmp_path / "ckpt/model.pt")
        flow.initialize()
        flow.run()
        masks[organ] = np.asarray(nib.load(tmp_path / organ / "PHANTOM_004_probs.nii.gz").dataobj)
    assert not np.array_equal(*masks.values())
    evaluated = np.asarray(nib.load(tmp_path / "out/PHANTOM_004_seg.nii.gz").dataobj)  # a liver, by the split file
    assert evaluated.shape == masks["liver"].shape[:3]
