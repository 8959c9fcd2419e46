"""No command writes over what it reads, by whatever name the file is called."""

import os
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.files import refuse_input
from llmsegnet_bundle.networks.weights import write_weights
from llmsegnet_bundle.text import save_embedding
from llmsegnet_bundle.text.bank import write_bank

TEXTS = {"organ": "heart", "written_by": "me", "date": "2026-11-26", "texts": ["red", "round"]}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    table = "case,class,dice\na,heart,0.5\nb,heart,0.75\n"
    for run in ("A", "B"):
        (folder / run).mkdir()
        (folder / run / "metrics.csv").write_text(table)
        (folder / run / "summary.json").write_text('{"heart": {"preset": "standard"}}')
        (folder / run / "run.json").write_text("{}")
    (folder / "texts.yaml").write_text(yaml.safe_dump(TEXTS))
    (folder / "plan.yaml").write_text(yaml.safe_dump({"bundle": "b"}))
    save_embedding(folder / "e.safetensors", torch.ones(2, 4), {"organ": "heart"})
    write_bank(folder / "bank.npz", ["heart", "heart"], torch.ones(2, 4))
    write_weights({"w": torch.ones(2)}, folder / "m.pt", {})
    for number in range(3):
        voxels = np.zeros((6, 6, 6), np.uint8)
        voxels[number + 1] = 1
        for part in ("imagesTr", "labelsTr"):
            (folder / "D" / part).mkdir(parents=True, exist_ok=True)
            nib.save(
                nib.Nifti1Image(voxels + (part == "imagesTr"), np.eye(4)), folder / "D" / part / f"x{number}.nii.gz"
            )
    (folder / "names.txt").write_text("x0\n")
    (folder / "patients.csv").write_text("name,who\nx0,a\nx1,b\nx2,c\n")
    return folder


SPLIT = ["split", "D", "{out}", "--labeled", "1", "--validation", "1"]
COMMANDS = {
    "compare": (["compare", "A", "B", "{out}"], ["A/metrics.csv", "B/metrics.csv", "A/summary.json"]),
    "split": (SPLIT, ["D/imagesTr/x1.nii.gz", "D/labelsTr/x0.nii.gz"]),
    "split by a list": ([*SPLIT, "--exclude", "names.txt"], ["names.txt"]),
    "split by patient": ([*SPLIT, "--patient", "patients.csv:who"], ["patients.csv"]),
    "halve": (["halve", "m.pt", "{out}"], ["m.pt", "m.json"]),
    "embed": (["embed", "texts.yaml", "{out}", "--encoder", "bank:bank.npz"], ["texts.yaml", "bank.npz"]),
    "embed a control": (
        ["embed", "texts.yaml", "{out}", "--encoder", "random", "--like", "e.safetensors"],
        ["e.safetensors"],
    ),
    "bank": (["bank", "{out}", "e.safetensors"], ["e.safetensors"]),
    "view": (
        ["view", "D/imagesTr/x0.nii.gz", "D/labelsTr/x0.nii.gz", "{out}", "--label", "D/labelsTr/x1.nii.gz"],
        ["D/imagesTr/x0.nii.gz", "D/labelsTr/x0.nii.gz", "D/labelsTr/x1.nii.gz"],
    ),
    "report": (["report", "A", "--baseline", "B", "--output", "{out}"], ["A/metrics.csv", "B/run.json"]),
}
CASES = [(command, source) for command, sources in COMMANDS.values() for source in sources]


@pytest.mark.parametrize(("command", "source"), CASES, ids=[f"{command[0]} {source}" for command, source in CASES])
def test_command_refuses_to_write_what_it_reads(command, source, inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(inputs)
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    (tmp_path / "link").symlink_to(inputs / source)
    os.link(inputs / source, tmp_path / "hard_link")
    for output in (source, f"A/../{source}", str(tmp_path / "link"), str(tmp_path / "hard_link")):
        monkeypatch.setattr(sys, "argv", ["llmsegnet_bundle", *(part.format(out=output) for part in command)])
        with pytest.raises(SystemExit, match="which is read; give another place to write to"):
            main()
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


def test_tables_of_an_evaluation_do_not_replace_a_mask(inputs, tmp_path, monkeypatch):
    (tmp_path / "summary.json").symlink_to(inputs / "D/labelsTr/x0.nii.gz")
    arguments = ["evaluate", str(inputs / "D/labelsTr"), str(inputs / "D/labelsTr"), str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["llmsegnet_bundle", *arguments])
    with pytest.raises(SystemExit, match=r"summary\.json is .*x0\.nii\.gz, which is read"):
        main()


def test_names_and_what_is_absent_are_no_inputs(tmp_path):
    (tmp_path / "a").touch()
    refuse_input(tmp_path / "a", [None, "", "x1, x2", "x" * 5000, tmp_path / "absent"])
    refuse_input(tmp_path / "absent", [tmp_path / "absent"])
    with pytest.raises(ValueError, match="which is read"):
        refuse_input(tmp_path / "a", [tmp_path])


def test_weights_named_as_their_description_are_refused(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["llmsegnet_bundle", "halve", str(inputs / "m.pt"), str(tmp_path / "m.json")])
    with pytest.raises(SystemExit, match=r"is the name of what describes weights; give one that ends with \.pt"):
        main()
