"""A training that goes on: with other scans, after a stop, from a damaged state."""

import copy
import io
import json
import re
import shutil
import signal
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import SMALL, prepared, refused, run, workflow
from ignite.engine import Events
from scan_folders import spoil_label

from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.handlers import Checkpoint
from llmsegnet_bundle.tools.phantom import write_phantom


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


@pytest.mark.slow
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
    assert json.loads((tmp_path / "ckpt/model.json").read_text(encoding="utf-8"))["selection"] == {
        "select": "last",
        "step": 4,
    }
    assert json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))["selection"] is None


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
