import json
from pathlib import Path

import pytest
from plans import FakeCommands, plan_of, variant

from llmsegnet_bundle.ablation.run import Run


def test_commands_lay_evaluation_over_the_overrides_of_the_training(tmp_path):
    plan = plan_of(tmp_path, variant("a", x="{seed}", y=None), evaluation={"stride_voxel": "half"})
    run = Run(plan, plan.variants[0], 2)
    for stage in run.stages_left:
        run.do(stage, FakeCommands())
    folder = tmp_path / "a/seed2"
    training, evaluating = (
        json.loads((folder / f"{stage}.json").read_text(encoding="utf-8")) for stage in ("training", "evaluating")
    )
    own = {"output_dir": str(folder / "eval"), "ckpt_dir": str(folder / "checkpoints"), "seed": 2}
    assert training.items() >= (own | {"resume": True}).items()
    assert training["config_file"] == ["a.json", str(folder / "overrides.json")]
    assert json.loads((folder / "overrides.json").read_text(encoding="utf-8")) == {"x": "2", "y": None}
    assert evaluating.items() >= (own | {"stride_voxel": "half"}).items()
    assert [Path(file).name for file in evaluating["config_file"]] == ["a.json", "overrides.json", "evaluate.json"]


def test_record_tells_settings_commit_and_sessions(tmp_path):
    plan = plan_of(tmp_path, variant("a", x=1))
    run = Run(plan, plan.variants[0], 2)
    assert run.stages_left == ["training", "evaluating"]
    run.do("training", FakeCommands())
    assert run.stages_left == Run(plan, plan.variants[0], 2).stages_left == ["evaluating"]
    run.do("evaluating", FakeCommands())
    record = json.loads((tmp_path / "a/seed2/variant.json").read_text(encoding="utf-8"))
    assert (record["variant"], record["seed"], record["settings"]["x"]) == ("a", 2, [1, 1])
    first, second = record["sessions"]
    assert (first["stage"], second["stage"], first["status"]) == ("training", "evaluating", 0)
    assert {"started", "ended", "seconds", "commit", "changed", "version", "machine"} <= first.keys()
    assert Run(plan, plan.variants[0], 2).stages_left == []


@pytest.mark.parametrize(
    ("outcome", "match"),
    [
        (1, r"a, seed 1: training failed \(status 1\): it went wrong; .*log\.txt"),
        (-9, r"a, seed 1: training failed \(signal 9, memory\?\): it went wrong"),
    ],
)
def test_failed_command_is_told_with_the_last_line_of_its_log(outcome, match, tmp_path):
    plan = plan_of(tmp_path, variant("a"))
    run = Run(plan, plan.variants[0], 1)
    with pytest.raises(ValueError, match=match):
        run.do("training", FakeCommands({("a/seed1", "training"): outcome}))
    again = Run(plan, plan.variants[0], 1)
    assert again.stages_left == ["training", "evaluating"]
    assert again.sessions[0]["status"] == outcome


def test_training_that_ended_before_its_last_step_is_not_taken_for_finished(tmp_path):
    plan = plan_of(tmp_path, variant("a"))
    run = Run(plan, plan.variants[0], 1)
    (tmp_path / "a/seed1/eval").mkdir(parents=True)
    record = {"total_steps": 10, "sessions": [{"last_step": 4}]}
    (tmp_path / "a/seed1/eval/run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"a, seed 1: stopped at step 4 of 10; the same command continues"):
        run.do("training", lambda command, log: 0)
    assert run.stages_left == ["training", "evaluating"]
    with pytest.raises(ValueError, match=r"a, seed 1: the evaluation left no .*metrics\.csv"):
        run.do("evaluating", lambda command, log: 0)


def test_other_evaluation_is_done_anew_and_no_other_training(tmp_path):
    plan = plan_of(tmp_path, variant("a"))
    run = Run(plan, plan.variants[0], 1)
    for stage in ("training", "evaluating"):
        run.do(stage, FakeCommands())
    other = plan_of(tmp_path, variant("a"), evaluation={"stride_voxel": "half"})
    assert Run(other, other.variants[0], 1).stages_left == ["evaluating"]
    (tmp_path / "a/seed1/eval/metrics.csv").unlink()
    assert Run(plan, plan.variants[0], 1).stages_left == ["evaluating"]


def test_folder_of_something_else_is_refused(tmp_path):
    plan = plan_of(tmp_path, variant("a", x=1))
    Run(plan, plan.variants[0], 1).do("training", FakeCommands())
    other = plan_of(tmp_path, variant("a", x=2))
    told = r"a/seed1 is another run: x was 1, now 2; give another name or remove the folder"
    with pytest.raises(ValueError, match=told):
        Run(other, other.variants[0], 1)
    (tmp_path / "a/seed1/variant.json").write_text("{")
    with pytest.raises(ValueError, match=r"variant\.json is no readable JSON \(.*\); remove the folder"):
        Run(plan, plan.variants[0], 1)
    (tmp_path / "a/seed1/variant.json").unlink()
    with pytest.raises(ValueError, match=r"seed1 has files but no variant\.json; give a another name"):
        Run(plan, plan.variants[0], 1)
    (tmp_path / "a/seed2").write_text("")
    with pytest.raises(ValueError, match="seed2 is a file; remove it, or give a another name"):
        Run(plan, plan.variants[0], 2)
