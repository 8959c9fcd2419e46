import json
import shlex
import shutil
import sys
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from bundle_runs import ROOT, run
from monai.bundle import verify_net_in_out

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.cases import make_split
from llmsegnet_bundle.planning import new_bundle
from llmsegnet_bundle.planning.writing import train_command
from llmsegnet_bundle.text import load_embedding, load_provenance
from llmsegnet_bundle.tools.phantom import write_phantom

SCHEMA = ROOT.parent / "shared/schema/meta_schema_20240725.json"


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=4, size=(56, 56, 52), spacing_mm=1.25)
    return folder


@pytest.fixture(scope="module")
def bundle(scans, tmp_path_factory):
    return new_bundle(tmp_path_factory.mktemp("new") / "my_atrium", "left atrium", "MR", scans)


@pytest.mark.slow
def test_new_bundle_trains_and_evaluates_at_once(bundle, scans, tmp_path):
    proposed = yaml.safe_load((bundle / "dataset.yaml").read_text(encoding="utf-8"))
    kept = {key: proposed[key] for key in ("crop", "labeled", "validation")}
    parser = run(["train"], scans, tmp_path, bundle, **kept)
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert [len(record["split"][part]) for part in ("labeled", "unlabeled", "validation")] == [3, 0, 1]
    assert parser["spacing_mm"] == [1.25] * 3
    run(["train", "evaluate"], scans, tmp_path, bundle, stride_voxel="half", **kept)
    assert "left atrium" in json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))


def test_new_bundle_is_what_its_dataset_file_gives(bundle):
    assemble(bundle, check=True)
    assert (bundle / "configs/logging.conf").is_file()
    card = (bundle / "docs/README.md").read_text(encoding="utf-8")
    assert "4 scans, 4 with a label, of which the last 1 validate" in card
    assert "without text" in card


def test_class_of_the_validation_scan_alone_and_the_name_of_the_channel_are_told(scans, tmp_path, capsys):
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    last = sorted((folder / "labelsTr").iterdir())[-1]
    label = nib.load(last)
    voxels = np.asarray(label.dataobj).copy()
    voxels[:, :, voxels.any(axis=(0, 1)).argmax()] *= 2
    nib.save(nib.Nifti1Image(voxels, label.affine), last)
    (folder / "dataset.json").write_text('{"labels": {}, "channel_names": {"0": "LGE"}}')
    bundle = new_bundle(tmp_path / "new", "atrium", "MR", folder)
    told = "warning: no labeled training scan holds the class atrium 2, so that it cannot be learned\n"
    assert capsys.readouterr().err == told
    metadata = json.loads((bundle / "configs/metadata.json").read_text(encoding="utf-8"))["network_data_format"]
    assert metadata["inputs"]["image"]["channel_def"] == {"0": "LGE"}
    assert metadata["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "atrium 1", "2": "atrium 2"}
    assert (metadata["inputs"]["image"]["num_channels"], metadata["outputs"]["pred"]["num_channels"]) == (1, 3)


def test_split_file_and_description_of_the_data_set_are_taken(scans, tmp_path, capsys):
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "atrium": 1, "scar": 2}}')
    (split,) = make_split(folder, tmp_path / "split.json", labeled=2, validation=1)
    bundle = new_bundle(tmp_path / "new", "left atrium", "MR", folder, datalist=split)
    settings = yaml.safe_load((bundle / "dataset.yaml").read_text(encoding="utf-8"))
    assert settings["class_names"] == ["background", "atrium", "scar"]
    assert (settings["datalist"], settings["validation"], settings["labeled"]) == (str(split), 1, "all")
    assert (
        capsys.readouterr().err
        == "warning: no labeled training scan holds the class scar, so that it cannot be learned\n"
    )
    assert json.loads((bundle / "configs/train.json").read_text(encoding="utf-8"))["datalist"] == str(split)
    assert "3 scans, 2 with a label, besides 1 that validate" in (bundle / "docs/README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not SCHEMA.exists(), reason="../shared/schema is absent")
def test_metadata_follows_the_schema(bundle):
    metadata = json.loads((bundle / "configs/metadata.json").read_text(encoding="utf-8"))
    jsonschema.validate(metadata, json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_new_bundle_of_thick_slices_trains_without_padding_and_says_its_sides(tmp_path):
    folder = tmp_path / "scans"
    write_phantom(folder, scans=4, size=(56, 56, 52), spacing_mm=1.25)
    for file in folder.glob("*Tr/*.nii.gz"):  # every eighth slice
        scan = nib.load(file)
        nib.save(scan.slicer[:, :, 2::8], file)
    bundle = new_bundle(tmp_path / "b", "left atrium", "MR", folder)
    proposed = yaml.safe_load((bundle / "dataset.yaml").read_text(encoding="utf-8"))
    assert proposed["crop"] == [64, 64, 8]
    metadata, inference = bundle / "configs/metadata.json", bundle / "configs/inference.json"
    told = json.loads(metadata.read_text(encoding="utf-8"))["network_data_format"]["inputs"]["image"]
    assert told["spatial_shape"] == ["32*n", "32*n", "4*n"]
    verify_net_in_out("network_def", metadata, inference, bundle_root=str(bundle))
    kept = {key: proposed[key] for key in ("crop", "labeled", "validation")}
    run(["train"], folder, tmp_path, bundle, **kept)
    run(["inference"], folder / "imagesTr/PHANTOM_000.nii.gz", tmp_path, bundle, crop=kept["crop"])
    mask = nib.load(tmp_path / "out/PHANTOM_000_seg.nii.gz")
    assert mask.shape == nib.load(folder / "imagesTr/PHANTOM_000.nii.gz").shape


def test_encoder_gives_an_embedding_with_its_texts(scans, tmp_path, monkeypatch):
    encode = "llmsegnet_bundle.text.encoders.encode_texts"
    monkeypatch.setattr(encode, lambda texts, source: (torch.ones(len(texts), 8), "mean"))
    bundle = new_bundle(tmp_path / "b", "left atrium", "MR", scans, encoder="some/encoder")
    file = bundle / "text/embedding.safetensors"
    assert load_embedding(file).shape == (4, 8)
    assert load_provenance(file)["written_by"] == "llmsegnet_bundle new, from the labels"
    assert "text_embedding" not in yaml.safe_load((bundle / "dataset.yaml").read_text(encoding="utf-8"))


def test_failure_leaves_nothing(scans, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="encoder: /no/such/encoder cannot be loaded"):
        new_bundle(tmp_path / "b", "left atrium", "MR", scans, encoder="/no/such/encoder")
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_and_missing_names_are_refused(bundle, scans, tmp_path):
    with pytest.raises(ValueError, match="my_atrium exists; remove it"):
        new_bundle(bundle, "left atrium", "MR", scans)
    with pytest.raises(ValueError, match="must name the 2 classes"):
        new_bundle(tmp_path / "b", "left atrium", "MR", scans, class_names=["background"])


def test_command_quotes_paths():
    command = train_command(Path("my liver"), "/data/my scans")
    assert shlex.split(command)[-3:] == ["my liver", "--dataset_dir", "/data/my scans"]


def test_command_ends_in_one_line_for_a_wrong_folder(monkeypatch, tmp_path):
    options = ["--organ", "liver", "--modality", "CT", "--dataset_dir", str(tmp_path / "nowhere")]
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "new", str(tmp_path / "b"), *options])
    with pytest.raises(SystemExit, match="nowhere/imagesTr does not exist"):
        main()
    assert not (tmp_path / "b").exists()


def test_language_model_writes_the_texts(scans, tmp_path):
    class ToyModel:
        name, seed = "toy", 0

        def answer(self, prompt):
            return f"It was asked: {prompt.split('?')[0]}."

        def origin(self):
            return {"model": "toy", "revision": None, "decoding": {}}

    bundle = new_bundle(tmp_path / "b", "left atrium", "MR", scans, language_model=ToyModel())
    told = yaml.safe_load((bundle / "text/texts.yaml").read_text(encoding="utf-8"))
    assert (told["written_by"], len(told["texts"]), len(told["measured"])) == ("toy", 6, 3)
