"""The bundle as its users run it: in process through MONAI's workflow, and a few true command lines."""

import copy
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import jsonschema
import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE, BUNDLES, ROOT, SMALL, prepared, refused, run, workflow
from ignite.engine import Events
from medpy.metric import binary
from monai.bundle import verify_net_in_out

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.bundles import assemble
from llmsegnet_bundle.cases import make_split
from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.evaluation import evaluate
from llmsegnet_bundle.handlers import Checkpoint
from llmsegnet_bundle.metrics import case_metrics
from llmsegnet_bundle.tools.phantom import write_phantom

SCHEMA = ROOT.parent / "shared/schema/meta_schema_20240725.json"
DATA = ROOT.parent / "shared/data/left_atrium"
MODELS = BUNDLE / "models"
REQUIRED = "version monai_version pytorch_version numpy_version required_packages_version task description authors"


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=5, size=(56, 56, 52), spacing_mm=0.625)
    return folder


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_configs_are_what_their_recipe_gives(bundle):
    assemble(bundle, check=True)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_metadata_has_what_the_zoo_requires(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert set(REQUIRED.split()) | {"schema", "changelog", "copyright", "network_data_format"} <= set(metadata)
    assert metadata["version"] in metadata["changelog"]
    assert next(iter(metadata["network_data_format"]["inputs"])) == "image"
    assert next(iter(metadata["network_data_format"]["outputs"])) == "pred"


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_network_takes_and_gives_what_the_metadata_says(bundle):
    configs = bundle / "configs"
    verify_net_in_out("network_def", configs / "metadata.json", configs / "inference.json", bundle_root=str(bundle))


@pytest.mark.skipif(not SCHEMA.exists(), reason="../shared/schema is absent")
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_metadata_follows_the_schema(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    jsonschema.validate(metadata, json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("names", [["train"], ["train_supervised"], ["train", "evaluate"], ["inference"]])
def test_config_has_all_properties(names, bundle, scans, tmp_path):
    overrides = {"output_dir": str(tmp_path), "initialize": ["$True"]}
    if names != ["inference"]:
        overrides |= {"labeled": 2, "validation": 1, "show_progress": False, "cache_dir": "none"}
    source = scans / "imagesTr" if names == ["inference"] else scans
    flow = workflow(names, bundle, dataset_dir=str(source), base_filters=2, **overrides)
    flow.initialize()
    assert flow.check_properties() == []


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_inference_takes_the_items_of_monai_label(bundle, scans, tmp_path):
    path = str(scans / "imagesTr/PHANTOM_000.nii.gz")
    flow = workflow(["inference"], bundle, dataset_dir=path, output_dir=str(tmp_path), initialize=["$True"])
    flow.initialize()
    preprocessing = flow.parser.get_parsed_content("preprocessing")
    loader = preprocessing.transforms[0]
    assert loader.keys == ("image",)  # it wraps the loader in one that misses no key
    loader._loader.image_only = False  # as it sets it
    item = preprocessing({"image": path, "image_path": path, "model": "left_atrium"})
    assert (item["image_path"], item["model"]) == (path, "left_atrium")
    assert item["image"].shape[0] == 1


def test_assemble_takes_several_bundles(tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        shutil.copyfile(BUNDLE / "dataset.yaml", folder / "dataset.yaml")
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "assemble", *map(str, folders)])
    main()
    for folder in folders:
        assemble(folder, check=True)


def test_assemble_refuses_an_unknown_id_and_a_stale_config(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "b", ignore=shutil.ignore_patterns("models"))
    (tmp_path / "b/configs/train.json").write_text("{}")
    with pytest.raises(ValueError, match=r"train\.json is not what its recipe gives"):
        assemble(tmp_path / "b", check=True)
    with (tmp_path / "b/dataset.yaml").open("a") as file:
        file.write("\nspeling: 1\n")
    with pytest.raises(ValueError, match="no config has speling"):
        assemble(tmp_path / "b")
    with pytest.raises(ValueError, match="does not exist"):
        assemble(tmp_path)


@pytest.mark.slow
def test_run_with_other_scans_starts_anew_from_its_weights_and_keeps_each_state_before(scans, tmp_path, capsys):
    first = run(["train"], scans, tmp_path, max_steps=1)
    assert run(["train"], scans, tmp_path, max_steps=1).get_parsed_content("train#trainer").state.output is None  # done
    before, weights = ((tmp_path / "ckpt" / name).read_bytes() for name in ("last.pt", "model.pt"))
    shipped = torch.load(io.BytesIO(weights), weights_only=True)
    cases = first.get_parsed_content("cases")["labeled"]
    annotated = {"train#dataset#data": cases[:1]}  # as MONAI Label sets it
    flow = prepared(["train"], scans, tmp_path, max_steps=1, **annotated)
    trainer, network = flow.parser.get_parsed_content("train#trainer"), flow.parser.get_parsed_content("network")
    started = {}
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: started.update(copy.deepcopy(network.state_dict())))
    flow.run()
    assert trainer.state.output[0]["loss"] > 0
    assert all(torch.equal(value, shipped[name]) for name, value in started.items())
    told = "PHANTOM_001 in another list); step, schedule and optimizer start anew, from its weights"
    assert told in capsys.readouterr().out
    run(["train"], scans, tmp_path, max_steps=1)
    kept = sorted((tmp_path / "ckpt").glob("last_before_*.pt"))
    assert [file.read_bytes() == before for file in kept] == [True, False]


def test_corrected_label_under_its_old_name_is_trained_on(scans, tmp_path, capsys):
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    run(["train_supervised"], folder, tmp_path, max_steps=1)
    spoil_label(folder, lambda data, affine: (np.roll(data, 3, axis=0), affine))
    trainer = run(["train_supervised"], folder, tmp_path, max_steps=1).get_parsed_content("train#trainer")
    assert trainer.state.iteration == 1
    assert trainer.state.output is not None
    assert "(PHANTOM_001 with another label)" in capsys.readouterr().out


def test_best_weights_are_kept_when_epoch_numbers_repeat(tmp_path):
    network = torch.nn.Linear(1, 1)
    validator = SimpleNamespace(
        state=SimpleNamespace(
            best_metric=-1, best_metric_epoch=-1, epoch_length=1, key_metric_name="dice", metrics={"dice": 0.9}
        )
    )
    checkpoint = Checkpoint(
        tmp_path, tmp_path / "model.pt", network, {}, None, 9, SimpleNamespace(state=dict), validator, "best"
    )
    engine = SimpleNamespace(state=SimpleNamespace(epoch=2, iteration=4))
    validator.state.best_metric, validator.state.best_metric_epoch = 0.9, 2
    checkpoint.epoch_done(engine)
    best = network.weight.item()
    torch.nn.init.constant_(network.weight, best + 1)
    checkpoint.epoch_done(engine)  # epoch 2 once more, of a run continued with longer epochs, and no better
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == best


@pytest.mark.slow
def test_continued_processes_draw_differently(scans, tmp_path, monkeypatch):
    run(["train"], scans, tmp_path, max_steps=1)
    drawn = []
    for rank in range(3):
        monkeypatch.setattr("ignite.distributed.get_rank", lambda rank=rank: rank)
        flow = prepared(["train"], scans, tmp_path, max_steps=2)
        monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
        trainer = flow.parser.get_parsed_content("train#trainer")
        checkpoint = flow.parser.get_parsed_content("train#handlers")[-2]
        trainer.state.epoch_length = 2
        checkpoint.state.load(trainer)
        drawn.append(torch.rand(()).item())
        assert not torch.backends.cudnn.deterministic  # as it was set
    assert len(set(drawn)) == 3


@pytest.mark.slow
def test_training_writes_outside_the_bundle_and_shortens_the_last_epoch(scans, tmp_path):
    before = sorted(BUNDLE.rglob("*"))
    parser = run(["train"], scans, tmp_path)
    state = parser.get_parsed_content("train#trainer").state
    assert (state.iteration, state.epoch) == (3, 2)
    assert (tmp_path / "ckpt/model.pt").is_file()
    assert sorted(BUNDLE.rglob("*")) == before
    record = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert record["settings"]["method"] == "co-training"
    assert record["text"]["organ"] == "left atrium"
    assert record["selection"]["step"] in (2, 3)
    assert [len(record["split"][key]) for key in ("labeled", "unlabeled", "validation")] == [2, 2, 1]


def test_stopped_and_continued_run_equals_an_uninterrupted_one(scans, tmp_path):
    whole = run(["train"], scans, tmp_path / "whole", max_steps=4).get_parsed_content("network").state_dict()
    flow = workflow(
        ["train"],
        show_progress=False,
        dataset_dir=str(scans),
        output_dir=str(tmp_path / "out"),
        ckpt_dir=str(tmp_path / "ckpt"),
        cache_dir="none",
        **(SMALL | {"max_steps": 4}),
    )
    flow.initialize()
    trainer = flow.parser.get_parsed_content("train#trainer")
    checkpoint = flow.parser.get_parsed_content("train#handlers")[-2]

    @trainer.on(Events.ITERATION_STARTED(once=3))
    def stop():
        checkpoint.stop.ask(15)

    flow.run()
    assert trainer.state.iteration == 3
    continued = run(["train"], scans, tmp_path, max_steps=4)
    assert continued.get_parsed_content("train#trainer").state.iteration == 4
    for name, value in continued.get_parsed_content("network").state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_loss_that_is_no_number_stops_with_the_cases_and_keeps_both_files(scans, tmp_path):
    run(["train"], scans, tmp_path, max_steps=2)
    before = {file: (tmp_path / "ckpt" / file).read_bytes() for file in ("last.pt", "model.pt")}
    flow = prepared(["train"], scans, tmp_path, max_steps=4)
    trainer = flow.parser.get_parsed_content("train#trainer")
    from ignite.engine import Events

    @trainer.on(Events.ITERATION_STARTED(once=3))
    def spoil():
        torch.nn.init.constant_(next(flow.parser.get_parsed_content("network").parameters()), float("nan"))

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError) as stop:
        flow.run()
    told = told_in_one_line(stop.value)
    assert re.fullmatch(
        r"step 3: the loss is nan on crops of PHANTOM_00.*; .*last\.pt and .*model\.pt are left .*", told
    )
    assert signal.getsignal(signal.SIGINT) is handler
    assert {file: (tmp_path / "ckpt" / file).read_bytes() for file in before} == before


@pytest.mark.slow
def test_run_continues_from_the_state_before_a_damaged_one(scans, tmp_path, capsys):
    run(["train"], scans, tmp_path, max_steps=4)
    (tmp_path / "ckpt/last.pt").write_bytes(b"")
    parser = run(["train"], scans, tmp_path, max_steps=4)
    assert "going on from the one before, of step 2" in capsys.readouterr().out
    assert parser.get_parsed_content("train#trainer").state.iteration == 4


@pytest.mark.slow
@pytest.mark.parametrize("select", ["last", "best"])
def test_validation_without_foreground_scores_nothing_and_the_run_continues(select, tmp_path, capfd):
    write_phantom(tmp_path / "scans", scans=3, size=(56, 56, 52), spacing_mm=0.625)
    label = tmp_path / "scans/labelsTr/PHANTOM_002.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((56, 56, 52), np.uint8), nib.load(label).affine), label)
    for steps in (2, 4):
        run(["train_supervised"], tmp_path / "scans", tmp_path, max_steps=steps, select=select)
    told = capfd.readouterr()
    assert "continuing from step 2" in told.out
    assert "step/s" not in told.err  # show_progress is False
    assert json.loads((tmp_path / "ckpt/model.json").read_text())["selection"] == {"select": "last", "step": 4}
    assert json.loads((tmp_path / "out/run.json").read_text())["selection"] is None


@pytest.mark.slow
def test_checkpoint_of_another_network_stops_the_run_and_stays(scans, tmp_path):
    run(["train"], scans, tmp_path, max_steps=1)
    before = (tmp_path / "ckpt/last.pt").read_bytes()
    for changed, told in (
        ({"base_filters": 3, "seed": 1}, "base_filters was 2, now 3; seed was 1337, now 1"),
        ({"alpha_optimizer#momentum": 0.5}, "alpha_optimizer#momentum was 0.9, now 0.5"),
        ({"text_embedding": "none"}, "text_embedding was .*sha256.*, now none"),
    ):
        with refused(rf"last\.pt does not fit this run \(.*{told}"):
            run(["train"], scans, tmp_path, max_steps=2, **changed)
    old = torch.load(tmp_path / "ckpt/last.pt", weights_only=True)
    (tmp_path / "old").mkdir()
    torch.save({key: value for key, value in old.items() if key != "run"}, tmp_path / "old/last.pt")
    with refused(r"of an older version of this package.*--init_from"):
        run(["train"], scans, tmp_path, max_steps=2, ckpt_dir=str(tmp_path / "old"))
    assert (tmp_path / "ckpt/last.pt").read_bytes() == before
    run(["train"], scans, tmp_path, max_steps=1, base_filters=3, resume=False)


def test_training_without_text_has_no_text_branch(scans, tmp_path):
    network = run(["train"], scans, tmp_path, max_steps=1, text_embedding="none").get_parsed_content("network")
    assert not any("fusion" in name or "text" in name for name in network.state_dict())


def test_explicit_max_epochs_wins(scans, tmp_path):
    parser = run(["train"], scans, tmp_path, **{"train#trainer#max_epochs": 1})
    assert parser.get_parsed_content("train#trainer").state.iteration == 2
    assert parser.get_parsed_content("total_steps") == 2


def test_training_without_unlabeled_scans_is_supervised(scans, tmp_path, capsys):
    parser = run(["train"], scans, tmp_path, labeled="all", max_steps=1)
    assert "no unlabeled scans (training is supervised only)" in capsys.readouterr().out
    assert "alpha_usl" not in parser.get_parsed_content("train#trainer").state.output[0]


@pytest.mark.slow
def test_training_without_validation_scans_keeps_the_last_weights(scans, tmp_path):
    parser = run(["train"], scans, tmp_path, validation=0)
    weights = torch.load(tmp_path / "ckpt/model.pt", weights_only=True)
    state = parser.get_parsed_content("average").network.state_dict()
    assert all(torch.equal(weights[name], state[name]) for name in state)


@pytest.mark.parametrize("names", [["train"], ["train_supervised"]])
def test_average_is_validated_and_shipped(names, scans, tmp_path):
    parser = run(names, scans, tmp_path)
    average, network = parser.get_parsed_content("average").network, parser.get_parsed_content("network")
    assert parser.get_parsed_content("validate#evaluator").network is average
    weights = torch.load(tmp_path / "ckpt/model.pt", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in average.state_dict().items())
    assert any(not torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_ema_none_ships_the_network_itself(scans, tmp_path):
    network = run(["train"], scans, tmp_path, ema="none").get_parsed_content("network")
    weights = torch.load(tmp_path / "ckpt/model.pt", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


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
        assert (tmp_path / "again" / name).read_text(encoding="utf-8") == (tmp_path / "out" / name).read_text()


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
    assert json.loads((BUNDLE / "configs/paper.json").read_text())["stride_voxel"] == [18, 18, 4]


def test_evaluation_takes_the_paper_preset(scans, tmp_path, capsys):
    run(["train_supervised"], scans, tmp_path)
    run(["train_supervised", "evaluate"], scans, tmp_path, stride_voxel="half", preset="paper")
    assert "preset paper: where a mask or its label is empty" in capsys.readouterr().out
    assert "deploy" not in json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))


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
def test_bad_input_ends_in_one_line(scans, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str(BUNDLE / "configs/train.json"), "--dataset_dir", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "nowhere") in done.stderr


def spoil_label(folder, change):
    path = folder / "labelsTr/PHANTOM_001.nii.gz"
    label = nib.load(path)
    data, affine = change(np.asarray(label.dataobj).astype(np.float32), label.affine.copy())
    nib.save(nib.Nifti1Image(data, affine), path)


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


@pytest.mark.slow
def test_interrupt_saves_and_the_same_command_continues(scans, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str(BUNDLE / "configs/train.json"), "--dataset_dir", str(scans)]
    command += ["--output_dir", str(tmp_path / "out"), "--ckpt_dir", str(tmp_path / "ckpt")]
    command += ["--cache_dir", str(tmp_path / "cache")]
    for key, value in (SMALL | {"max_steps": 40, "val_interval": 40}).items():
        command += [f"--{key}", str(value)]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        while "a step:" not in log.read_text(encoding="utf-8"):  # printed after a few steps
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "the same command continues" in log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")
    stopped = torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"]
    assert 0 < stopped < 40
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"continuing from step {stopped}" in done.stdout + done.stderr
    assert torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"] == 40


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


@pytest.mark.slow
@pytest.mark.parametrize("validation", [1, 2], ids=["fewer validation scans", "a validation scan each"])
def test_two_processes_end_with_equal_networks(validation, scans, tmp_path):
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    states = tmp_path / "rank"
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "monai.bundle", "run", "training", "--config_file", str(files), "--bundle_root", str(BUNDLE)]
    command += [
        "--dataset_dir",
        str(scans),
        "--output_dir",
        str(tmp_path / "out"),
        "--ckpt_dir",
        str(tmp_path / "ckpt"),
    ]
    save = f"$torch.save(@network.state_dict(), '{states}' + str(@rank) + '.pt')"
    overrides = SMALL | {
        "finalize": ["$torch.distributed.barrier()", save, "$torch.distributed.destroy_process_group()"]
    }
    overrides |= {"validation": validation, "max_steps": 2}
    for key, value in overrides.items():
        command += [f"--{key}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-20000:]
    first, second = (torch.load(f"{states}{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any("running_mean" in name for name in first)


@pytest.mark.slow
def test_signal_to_one_of_two_processes_stops_both(scans, tmp_path):
    lines = ["import os, signal", "def send(engine):", "    if os.environ['RANK'] == '1':"]
    lines.append("        os.kill(os.getpid(), signal.SIGTERM)")
    (tmp_path / "signals.py").write_text("\n".join(lines))
    train = json.loads((BUNDLE / "configs/train.json").read_text(encoding="utf-8"))
    attach = "$@train#trainer.add_event_handler(ignite.engine.Events.ITERATION_COMPLETED(once=3), signals.send)"
    own = {"imports": [*train["imports"], "$import ignite", "$import signals"], "training": [attach, *train["run"]]}
    (tmp_path / "own.json").write_text(json.dumps(own))
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    files.append(str(tmp_path / "own.json"))
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "monai.bundle", "run", "training", "--config_file", str(files), "--bundle_root", str(BUNDLE)]
    places = {"dataset_dir": scans, "output_dir": tmp_path / "out", "ckpt_dir": tmp_path / "ckpt", "cache_dir": "none"}
    for key, value in (places | SMALL | {"max_steps": 40, "val_interval": 40}).items():
        command += [f"--{key}", str(value)]
    paths = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | paths)
    assert done.returncode == 0, done.stderr[-20000:]
    told = (done.stdout + done.stderr).replace("\r", "\n")
    assert told.count("the same command continues") == 1
    assert "stopping after this step" not in told  # the signal came to a process that does not speak
    assert torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"] == 4
