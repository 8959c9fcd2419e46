"""A run folder is read whole, in parts, or refused in one line."""

import shutil

import pytest
from torch.utils.tensorboard import SummaryWriter

from llmsegnet_bundle.report.results import read_results


def test_run_has_record_curves_and_scores(run_dir):
    run = read_results(run_dir)
    assert run.record["steps_per_epoch"] == 60
    assert len(run.curves["loss"]) == 240
    assert run.curves["val_mean_dice"][3] == pytest.approx(0.8)
    assert run.classes == ["left atrium"]
    assert run.measures[:2] == ["dice", "jaccard"]
    assert [case for case, _ in run.ranked()][::3] == ["PHANTOM_003", "PHANTOM_000"]


def test_folder_above_eval_is_understood(run_dir):
    assert read_results(run_dir.parent).folder == run_dir


def test_later_events_replace_earlier_ones_from_their_first_step(tmp_path):
    for name, steps, value in (("a", (1, 2, 3, 4), 0.0), ("b", (3, 5), 1.0)):
        with SummaryWriter(tmp_path / name) as writer:
            for step in steps:
                writer.add_scalar("loss", value, step)
        (file,) = (tmp_path / name).iterdir()
        shutil.move(file, tmp_path / f"events.out.tfevents.{name}")
    assert read_results(tmp_path).curves["loss"] == {1: 0.0, 2: 0.0, 3: 1.0, 5: 1.0}


def test_empty_cells_are_not_counted(tmp_path):
    (tmp_path / "metrics.csv").write_text("case,class,dice,other\na,heart,0.5,nan\nb,heart,,3\n")
    run = read_results(tmp_path)
    assert run.values("dice", "heart") == {"a": 0.5}
    assert run.ranked() == [("a", 0.5)]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("other.txt", "", r"holds no run\.json, metrics\.csv or TensorBoard events; give the output_dir"),
        ("run.json", "{", r"run\.json is no readable JSON"),
        ("run.json", "[]", r"run\.json is no readable JSON \(it holds a list"),
        ("run.json", "[" * 2_000_000, r"run\.json is no readable JSON \(it is nested too deep\)"),
        ("run.json", '{"sessions": 5}', r"sessions is a int, which must not stand there"),
        ("run.json", '{"sessions": [null]}', r"sessions#0 is nothing, which must not stand there"),
        ("run.json", '{"selection": {"value": "a"}}', r"selection#value is a str, which must not stand there"),
        ("run.json", '{"split": {"labeled": ["a"]}}', r"split#labeled#0 is a str, which must not stand there"),
        ("metrics.csv", "case,dice\na,1\n", r"metrics\.csv must hold the columns case and class"),
        ("metrics.csv", "case,class,dice\na,b,much\n", r"metrics\.csv must hold .* and numbers"),
        ("metrics.csv", "case,class,dice\na,b,1,2\n", r"metrics\.csv must hold"),
    ],
)
def test_wrong_folder_is_refused_in_one_line(name, content, match, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=match) as error:
        read_results(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no folder; give the output_dir"):
        read_results(tmp_path / "nowhere")
