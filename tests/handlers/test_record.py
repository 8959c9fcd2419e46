"""run.json tells what a run was, also when the run was stopped and continued."""

import json
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from safetensors.torch import save_file

from llmsegnet_bundle.cases import digest
from llmsegnet_bundle.handlers import RunRecord
from llmsegnet_bundle.text import save_embedding

CASES = {"labeled": [{"image": "a", "label": "b"}], "unlabeled": [], "validation": [{"image": "c", "label": "d"}]}


class State:
    key_metric_name = "val_mean_dice"

    def __init__(self):
        self.metrics = {}


class Validator:
    def __init__(self):
        self.state = State()


def record(folder, **changes):
    told = {"crop": [48, 48], "text_embedding": changes.pop("text_embedding", "none")}
    arguments = {"total_steps": 5, "model_file": folder / "model.pt"}
    run = SimpleNamespace(cases=CASES, recorded=told, state=lambda: {"settings": {"seed": [1, 1]}})
    return RunRecord(folder / "out", run=run, validator=Validator(), **(arguments | changes))


def read(folder):
    return json.loads((folder / "out/run.json").read_text(encoding="utf-8"))


def train(handler, steps_before=0, scores=()):
    """Epochs of 2 steps up to the third, with these validation scores."""
    engine = Engine(lambda engine, batch: None)
    engine.state.device = torch.device("cpu")
    metrics = handler.validator.state.metrics
    for epoch, value in enumerate(scores, start=1):
        engine.add_event_handler(
            Events.EPOCH_COMPLETED(once=epoch), lambda _, value=value: metrics.update(val_mean_dice=value)
        )
    handler.attach(engine)
    if steps_before:
        engine.load_state_dict({"iteration": steps_before, "max_epochs": 3, "epoch_length": 2})
        engine.run([0, 0])
    else:
        engine.run([0, 0], max_epochs=3)
    return engine


def test_record_holds_what_a_run_was(tmp_path):
    train(record(tmp_path))
    content = read(tmp_path)
    assert content["settings"] == {"crop": [48, 48], "text_embedding": "none"}
    assert content["split"] == {"digest": digest(CASES)} | CASES
    assert content["text"] is content["selection"] is None
    assert torch.__version__.startswith(content["versions"]["torch"])  # without the build, as some name it
    (session,) = content["sessions"]
    assert (session["first_step"], session["last_step"]) == (0, 6)
    assert session["duration_s"] >= 0
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("select", "chosen"), [("best", (0.5, 4)), ("last", (0.4, 6))])
def test_selection_and_both_scores_are_told(select, chosen, tmp_path):
    train(record(tmp_path, select=select), scores=(0.25, torch.tensor(0.5), 0.4))
    content = read(tmp_path)
    assert content["validation"] == {"best": {"value": 0.5, "step": 4}, "last": {"value": 0.4, "step": 6}}
    wanted = {"rule": select, "metric": "val_mean_dice", "value": chosen[0], "step": chosen[1]}
    assert content["selection"] == wanted | {"model_file": str(tmp_path / "model.pt")}


def test_continued_run_knows_the_best_step_of_its_first_part(tmp_path):
    train(record(tmp_path, select="best"), scores=(0.25, 0.5))
    train(record(tmp_path, select="best"), steps_before=4, scores=(None, None, 0.3))
    assert read(tmp_path)["selection"]["step"] == 4


def test_continued_run_adds_a_session(tmp_path):
    train(record(tmp_path))
    train(record(tmp_path), steps_before=4)
    assert [session["first_step"] for session in read(tmp_path)["sessions"]] == [0, 4]


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"sessions": 5}', '{"sessions": [5]}', "[" * 2_000_000,
                                     '{"sessions": [{}], "settings": null, "validation": null}'])  # fmt: skip
def test_damaged_record_never_stops_a_run(content, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.json").write_text(content)
    train(record(tmp_path), steps_before=2)
    assert read(tmp_path)["sessions"][-1]["first_step"] == 2


def test_new_run_forgets_the_old_sessions_and_an_unreadable_file(tmp_path):
    train(record(tmp_path))
    train(record(tmp_path))
    assert len(read(tmp_path)["sessions"]) == 1
    (tmp_path / "out/run.json").write_text("{")
    train(record(tmp_path), steps_before=2)
    assert len(read(tmp_path)["sessions"]) == 1


@pytest.mark.parametrize("provenance", [{"organ": "left atrium", "texts": ["one"]}, None])
def test_text_is_told_with_its_hash(provenance, tmp_path):
    file = tmp_path / "text.safetensors"
    if provenance:
        save_embedding(file, torch.ones(1, 2), provenance)
    else:
        save_file({"text_embedding": torch.ones(1, 2)}, file)
    train(record(tmp_path, text_embedding=str(file)))
    text = read(tmp_path)["text"]
    assert text["file"] == "text.safetensors"
    assert text.get("organ") == (provenance and "left atrium")
    assert (text["sha256"] is None) == (provenance is None)


def test_no_text_is_none(tmp_path):
    train(record(tmp_path, text_embedding="none"))
    assert read(tmp_path)["text"] is None
