import json
import shlex
import sys

import pytest
import torch

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.locks import locked
from llmsegnet_bundle.networks.kept import keep_weights, restore_command, restore_weights
from llmsegnet_bundle.networks.weights import read_description, read_weights, write_weights


def write(file, value, **described):
    write_weights({"w": torch.tensor([float(value)])}, file, described)


def value(file):
    return float(read_weights(file)["w"])


def test_weights_of_others_are_kept_with_what_describes_them(tmp_path):
    model = tmp_path / "models/model.pt"
    write(model, 1, settings={"classes": 2})
    kept = keep_weights(model, tmp_path / "checkpoints/train", "me")
    write(model, 2, run_id="me")
    assert kept.parent == tmp_path / "checkpoints/train"
    assert value(kept) == 1
    assert read_description(kept)["settings"] == {"classes": 2}
    assert keep_weights(model, tmp_path, "me") is None
    assert keep_weights(tmp_path / "absent.pt", tmp_path, "me") is None


@pytest.mark.parametrize("spoil", ["{", "{}", "[]"])
def test_weights_whose_description_is_damaged_are_kept_too(spoil, tmp_path):
    write(tmp_path / "model.pt", 1, run_id="me")
    (tmp_path / "model.json").write_text(spoil)
    kept = keep_weights(tmp_path / "model.pt", tmp_path, "me")
    assert value(kept) == 1
    assert kept.with_suffix(".json").read_text(encoding="utf-8") == spoil


def test_weights_that_someone_put_beside_the_runs_description_are_kept(tmp_path):
    write(tmp_path / "model.pt", 1, run_id="me")
    write(tmp_path / "other.pt", 2)
    (tmp_path / "other.pt").replace(tmp_path / "model.pt")
    assert keep_weights(tmp_path / "model.pt", tmp_path, "me") is not None


def test_command_puts_them_back_and_keeps_what_lay_there(tmp_path, monkeypatch, capsys):
    model, state = tmp_path / "my models/model.pt", tmp_path / "my checkpoints"
    write(model, 1)
    first = (tmp_path / "my models/model.json").read_bytes()
    kept = keep_weights(model, state, "me")
    write(model, 2, run_id="me")
    monkeypatch.setattr(sys, "argv", shlex.split(restore_command(kept, model))[2:])
    main()
    told = capsys.readouterr().out
    assert told.startswith(f"{model} is {kept} again; what lay there is kept: python -m llmsegnet_bundle restore ")
    assert value(model) == 1
    assert model.with_suffix(".json").read_bytes() == first
    monkeypatch.setattr(sys, "argv", shlex.split(told.split("is kept: ")[1])[2:])
    main()
    assert value(model) == 2
    assert json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))["run_id"] == "me"


@pytest.mark.parametrize(
    ("state", "model"), [("checkpoints/train", "models/model.pt"), ("elsewhere/ckpt", "elsewhere/ckpt/model.pt")]
)
def test_last_one_kept_goes_where_the_training_puts_its_own(state, model, tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / model, number)
        keep_weights(tmp_path / model, tmp_path / state, "me")
    write(tmp_path / model, 4)
    restore_weights(tmp_path / state)
    assert value(tmp_path / model) == 3
    assert read_description(tmp_path / model)


def test_weights_without_description_take_that_of_others_away(tmp_path):
    write(tmp_path / "model.pt", 1)
    (tmp_path / "model.json").unlink()
    kept = keep_weights(tmp_path / "model.pt", tmp_path, "me")
    write(tmp_path / "model.pt", 2)
    restore_weights(kept)
    assert value(tmp_path / "model.pt") == 1
    assert not (tmp_path / "model.json").exists()


def test_what_cannot_be_put_back_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"has no model_before_\*\.pt; give the folder of a training's state"):
        restore_weights(tmp_path)
    with pytest.raises(ValueError, match=r"kept: .*absent\.pt does not exist"):
        restore_weights(tmp_path / "absent.pt")
    write(tmp_path / "model.pt", 1)
    kept = keep_weights(tmp_path / "model.pt", tmp_path, "me")
    with pytest.raises(ValueError, match="cannot be put in its own place; give the model_file"):
        restore_weights(kept, kept)
    with locked(tmp_path, "training", "x"), pytest.raises(ValueError, match="another training is at work"):
        restore_weights(kept)
    kept.unlink()
    kept.write_bytes(b"")
    with pytest.raises(ValueError, match="holds no weights"):
        restore_weights(kept)
    assert value(tmp_path / "model.pt") == 1
