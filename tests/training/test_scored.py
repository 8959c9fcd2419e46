"""A trained network is evaluated: on the label's own grid, by the paper's protocol, as inference answers."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from bundle_runs import BUNDLE, ROOT, prepared, refused, run, workflow
from medpy.metric import binary

from llmsegnet_bundle.cases import make_split
from llmsegnet_bundle.evaluation import evaluate
from llmsegnet_bundle.metrics import case_metrics

DATA = ROOT.parent / "shared/data/left_atrium"
MODELS = BUNDLE / "models"


@pytest.mark.slow
@pytest.mark.parametrize("grid_mm", [0.625, 0.9])
def test_scores_are_those_of_the_label_as_stored(grid_mm, scans, tmp_path):
    own = {"spacing_mm": [grid_mm] * 3}
    run(["train"], scans, tmp_path, **own)
    run(["train", "evaluate"], scans, tmp_path, stride_voxel="half", **own)
    with (tmp_path / "out/metrics.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    label = nib.load(scans / f"labelsTr/{row['case']}.nii.gz")
    mask = nib.load(tmp_path / f"out/{row['case']}_seg.nii.gz")
    wanted = case_metrics(np.asarray(mask.dataobj), np.asarray(label.dataobj), (0.625,) * 3)
    assert float(row["dice"]) == pytest.approx(wanted["dice"], abs=1e-12)
    assert float(row["label_ml"]) == pytest.approx(wanted["label_ml"], abs=1e-6)


def test_supervised_training_is_evaluated_by_the_same_overlay(scans, tmp_path):
    run(["train_supervised"], scans, tmp_path)
    run(["train_supervised", "evaluate"], scans, tmp_path, stride_voxel="half")
    summary = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))
    assert summary["left atrium"]["cases"] == 1
    assert (tmp_path / "out/PHANTOM_004_seg.nii.gz").is_file()
    evaluate(tmp_path / "out", scans / "labelsTr", tmp_path / "again", ("background", "left atrium"), workers=1)
    for name in ("metrics.csv", "summary.json"):
        assert (tmp_path / "again" / name).read_text(encoding="utf-8") == (tmp_path / "out" / name).read_text(
            encoding="utf-8"
        )


def test_evaluation_scores_the_masks_that_inference_writes(scans, tmp_path):
    run(["train"], scans, tmp_path, max_steps=1)
    cleaned = {"largest_component": True}
    run(["train", "evaluate"], scans, tmp_path, **cleaned)
    run(["inference"], scans / "imagesTr/PHANTOM_004.nii.gz", tmp_path, output_dir=str(tmp_path / "masks"), **cleaned)
    masks = [nib.load(tmp_path / folder / "PHANTOM_004_seg.nii.gz").get_fdata() for folder in ("out", "masks")]
    np.testing.assert_array_equal(*masks)
    told = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    answered = {"stride_voxel": "half", "window_weights": "gaussian", "alternate": False, "deploy": "mean"}
    assert list(told["weights"]) == [str(tmp_path / "ckpt/model.pt")]  # with its sha256
    assert told.items() >= (answered | cleaned | {"fill_holes": False, "window": [48, 48, 48]}).items()


def test_paper_over_the_evaluation_is_its_protocol(scans, tmp_path):
    (tmp_path / "weights.pt").touch()
    given = {"stride_voxel": [24, 24, 24], "initialize": ["$True"], "device": "cpu"}
    given["model_file"] = str(tmp_path / "weights.pt")
    flow = prepared(["train", "evaluate", "paper"], scans, tmp_path, **given)
    inferer = flow.parser.get_parsed_content("validate#evaluator").inferer.probs
    assert (inferer.stride_voxel, inferer.mode, inferer.alternate) == ([24, 24, 24], "constant", False)
    assert json.loads((BUNDLE / "configs/paper.json").read_text(encoding="utf-8"))["stride_voxel"] == [18, 18, 4]


@pytest.mark.slow
def test_evaluation_takes_the_paper_preset(scans, tmp_path, capsys):
    run(["train_supervised"], scans, tmp_path)
    run(["train_supervised", "evaluate"], scans, tmp_path, stride_voxel="half", preset="paper")
    assert "preset paper: where a mask or its label is empty" in capsys.readouterr().out
    assert "deploy" not in json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_evaluation_says_which_network_answered(scans, tmp_path):
    run(["train"], scans, tmp_path, max_steps=1)
    run(["train", "evaluate"], scans, tmp_path, stride_voxel="half", deploy="beta")
    assert json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))["deploy"] == "beta"


@pytest.mark.slow
def test_evaluation_scores_the_test_list_of_a_split_file(scans, tmp_path):
    (datalist,) = make_split(scans, tmp_path / "split.json", labeled=2, validation=1, test=1)
    given = {"datalist": str(datalist), "labeled": "all"}
    run(["train_supervised"], scans, tmp_path, max_steps=1, **given)
    run(["train_supervised", "evaluate"], scans, tmp_path, stride_voxel="half", part="test", **given)
    with (tmp_path / "out/metrics.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"PHANTOM_004"}
    assert json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))["part"] == "test"
    with refused("part: must be one of labeled, unlabeled, validation, got 'test'"):
        run(["train_supervised", "evaluate"], scans, tmp_path, part="test")


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data/left_atrium is absent")
def test_committed_weights_segment_a_held_out_scan(tmp_path):
    flow = workflow(
        ["inference"], dataset_dir=str(DATA / "imagesTr/LA_068.nii.gz"), output_dir=str(tmp_path), ckpt_dir=str(MODELS)
    )
    flow.initialize()
    flow.run()
    label = nib.load(DATA / "labelsTr/LA_068.nii.gz")
    mask = nib.load(tmp_path / "LA_068_seg.nii.gz")
    np.testing.assert_allclose(mask.affine, label.affine, atol=1e-4)
    assert case_metrics(np.asarray(mask.dataobj), np.asarray(label.dataobj), (0.625,) * 3)["dice"] > 0.88


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data/left_atrium is absent")
def test_scores_of_the_committed_weights_are_those_of_medpy(tmp_path):
    places = {"dataset_dir": str(DATA), "output_dir": str(tmp_path), "ckpt_dir": str(MODELS), "cache_dir": "none"}
    two = {"validate#dataset#data": "$@cases['validation'][:2]", "stride_voxel": "half"}
    flow = workflow(["train", "evaluate"], **places, **two)
    flow.initialize()
    flow.run()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["LA_068", "LA_069"]
    for row in rows:
        files = (tmp_path / f"{row['case']}_seg.nii.gz", DATA / f"labelsTr/{row['case']}.nii.gz")
        pair = [np.asarray(nib.load(file).dataobj) for file in files]
        for key, expected in {
            "dice": binary.dc(*pair),
            "jaccard": binary.jc(*pair),
            "hd95_pooled_voxel": binary.hd95(*pair),
            "hd95_pooled_mm": binary.hd95(*pair, 0.625),
            "asd_voxel": binary.asd(*pair),
            "asd_mm": binary.asd(*pair, 0.625),
            "assd_mm": binary.assd(*pair, 0.625),
        }.items():
            assert float(row[key]) == pytest.approx(expected, abs=1e-6), key
