import json

import pytest
import torch

from llmsegnet_bundle.annotation.undo import undo_training
from llmsegnet_bundle.networks.kept import keep_weights
from llmsegnet_bundle.networks.weights import read_weights, write_weights


def trained(bundle, value):
    """Weights in the bundle, and the state of a training that wrote them."""
    file, state = bundle / "models/model.pt", bundle / "checkpoints/train"
    keep_weights(file, state, run_id=str(value))
    write_weights({"w": torch.tensor([value])}, file, {"run_id": str(value)})
    state.mkdir(parents=True, exist_ok=True)
    for name in ("last.pt", "last_one_before.pt"):
        (state / name).write_text(str(value))


def weight(bundle):
    return read_weights(bundle / "models/model.pt")["w"].item()


def test_undo_brings_the_weights_before_and_the_next_training_starts_from_them(tmp_path):
    trained(tmp_path, 1.0)
    trained(tmp_path, 2.0)
    assert str(tmp_path / "models/model.pt") in undo_training(tmp_path)
    assert weight(tmp_path) == 1.0
    assert json.loads((tmp_path / "models/model.json").read_text(encoding="utf-8"))["run_id"] == "1.0"
    state = tmp_path / "checkpoints/train"
    assert not (state / "last.pt").exists()
    assert not (state / "last_one_before.pt").exists()
    assert [file.read_text(encoding="utf-8") for file in state.glob("last_undone_*.pt")] == ["2.0"]


def test_second_undo_takes_the_undo_back(tmp_path):
    for value in (1.0, 2.0):
        trained(tmp_path, value)
    undo_training(tmp_path)
    undo_training(tmp_path)
    assert weight(tmp_path) == 2.0


def test_undo_without_a_training_is_refused(tmp_path):
    (tmp_path / "checkpoints/train").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has no model_before_\*\.pt"):
        undo_training(tmp_path)
