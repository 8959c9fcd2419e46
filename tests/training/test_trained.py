"""What a training writes and ships, with and without text, unlabeled and validation scans."""

import json

import pytest
import torch
from bundle_runs import BUNDLE, run


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
