import json
import signal
import subprocess
import sys
import time

import pytest
import yaml
from bundle_runs import BUNDLE, ROOT, SMALL
from plans import FakeCommands, plan_of, variant, write_scores

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.ablation.ablate import plan_runs, run_all, time_left
from llmsegnet_bundle.ablation.child import Stopped
from llmsegnet_bundle.locks import locked
from llmsegnet_bundle.tools.phantom import write_phantom


def do(plan, execute):
    lines = []
    run_all(plan, plan_runs(plan), execute, lines.append)
    return lines


def test_all_variants_run_with_the_first_seed_before_the_next(tmp_path):
    commands = FakeCommands()
    lines = do(plan_of(tmp_path, variant("b"), variant("a")), commands)
    runs = ["b/seed1", "a/seed1", "b/seed2", "a/seed2"]
    assert commands.done == [(run, stage) for run in runs for stage in ("training", "evaluating")]
    assert lines[0].startswith("[1/4] b, seed 1: training; time left is known after the first run;")
    assert lines[2].startswith("[2/4] a, seed 1: training; about 0 h 00 min left;")
    assert "| b | 2 of 2 | 70.0 ± 0.0 |" in lines[-1]


def test_what_is_done_is_skipped(tmp_path):
    plan = plan_of(tmp_path, variant("a"), seeds=(1,))
    do(plan, FakeCommands())
    commands = FakeCommands()
    longer = plan_of(tmp_path, variant("a"), variant("b"), seeds=(1,))
    lines = do(longer, commands)
    assert commands.done == [("b/seed1", "training"), ("b/seed1", "evaluating")]
    assert lines[0] == "[1/2] a, seed 1: is done"


@pytest.mark.parametrize(("stage", "again"), [("training", ["training", "evaluating"]), ("evaluating", ["evaluating"])])
def test_stopped_run_goes_on_where_it_was(stage, again, tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b"), seeds=(1,))
    with pytest.raises(ValueError, match="stopped in b, seed 1; the same command continues"):
        do(plan, FakeCommands({("b/seed1", stage): Stopped()}))
    assert "| a | 1 of 1 | 70.0 |" in (tmp_path / "table.md").read_text(encoding="utf-8")
    commands = FakeCommands()
    do(plan, commands)
    assert commands.done == [("b/seed1", stage) for stage in again]


def test_failed_run_keeps_no_other_from_its_own(tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b", x="{run:a}/model.pt"), variant("c"), seeds=(1, 2))
    commands = FakeCommands({("a/seed1", "training"): 1})
    with pytest.raises(ValueError, match="a, seed 1: training failed") as told:
        do(plan, commands)
    assert str(told.value).splitlines()[1:] == ["b, seed 1: not run, as it starts from a, which failed"]
    done = [run for run, stage in commands.done if stage == "evaluating"]
    assert done == ["c/seed1", "a/seed2", "b/seed2", "c/seed2"]
    assert "| a | 1 of 2 |" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_damaged_scores_are_told_before_anything_runs(tmp_path):
    plan = plan_of(tmp_path, variant("a"), seeds=(1,))
    do(plan, FakeCommands())
    write_scores(tmp_path / "a/seed1/eval", [0.8], kinds=["liver"])
    commands = FakeCommands()
    with pytest.raises(ValueError, match=r"metrics\.csv lacks the class left atrium; remove the file"):
        do(plan_of(tmp_path, variant("a"), variant("b"), seeds=(1,)), commands)
    assert commands.done == []


def test_time_left_is_that_of_the_finished_runs_of_a_variant(tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b"))
    do(plan_of(tmp_path, variant("a"), variant("b"), seeds=(1,)), FakeCommands())
    for name, seconds in (("a", 3600), ("b", 600)):
        file = tmp_path / name / "seed1/variant.json"
        record = json.loads(file.read_text(encoding="utf-8"))
        for session in record["sessions"]:
            session["seconds"] = seconds / 2
        file.write_text(json.dumps(record))
    runs = plan_runs(plan)
    assert time_left(runs, runs) == "about 1 h 10 min left"
    assert time_left(runs[3:], runs) == "about 0 h 10 min left"
    longer = plan_of(tmp_path, variant("a"), variant("b"), variant("c"), seeds=(1,))
    assert time_left(plan_runs(longer), plan_runs(longer)) == "about 0 h 35 min left"  # as the mean of all


def test_all_foreign_folders_are_told_at_once(tmp_path):
    for name in "ab":
        (tmp_path / name / "seed1").mkdir(parents=True)
        (tmp_path / name / "seed1/x").touch()
    with pytest.raises(ValueError, match="a/seed1 has files") as told:
        plan_runs(plan_of(tmp_path, variant("a"), variant("b")))
    assert len(str(told.value).splitlines()) == 2


def plan_file(folder, scans, **common):
    content = {
        "bundle": str(BUNDLE),
        "output_dir": str(folder / "out"),
        "seeds": [1],
        "common": {"dataset_dir": str(scans), "cache_dir": str(folder / "cache"), **SMALL, **common},
        "evaluation": {"stride_voxel": "half"},
        "variants": {
            "labels alone": {"config": "train_supervised"},
            "co-training": {"text_embedding": "none", "clamp_noise": True},
        },
    }
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def test_check_prints_the_runs_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["llmsegnet_bundle", "ablate", str(plan_file(tmp_path, "scans")), "--check"])
    main()
    out = tmp_path / "out"
    assert capsys.readouterr().out.splitlines() == [
        f"labels alone, seed 1: to do; {out}/labels-alone/seed1",
        f"co-training, seed 1: to do; {out}/co-training/seed1",
    ]
    assert not out.exists()


def test_second_ablation_in_a_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["llmsegnet_bundle", "ablate", str(plan_file(tmp_path, "scans"))])
    with (
        locked(tmp_path / "out", "ablation", "output_dir"),
        pytest.raises(SystemExit, match=r"another ablation is at work in .*out; wait for it"),
    ):
        main()


@pytest.mark.slow
def test_true_runs_are_stopped_continued_and_compared(tmp_path):
    write_phantom(tmp_path / "scans", scans=5, size=(56, 56, 52), spacing_mm=0.625)
    plan, out = plan_file(tmp_path, tmp_path / "scans", max_steps=12, val_interval=12), tmp_path / "out"
    command = [sys.executable, "-m", "llmsegnet_bundle", "ablate", str(plan)]
    log = out / "labels-alone/seed1/log.txt"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        while process.poll() is None and not (log.is_file() and "s a step" in log.read_text(encoding="utf-8")):
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)  # SIGINT is ignored where the tests run in the background
        told, _ = process.communicate()
    assert process.returncode == 1
    assert told.splitlines()[-1] == "stopped in labels alone, seed 1; the same command continues"
    assert (out / "labels-alone/seed1/checkpoints/last.pt").is_file()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "continuing from step" in log.read_text(encoding="utf-8")
    table = json.loads((out / "table.json").read_text(encoding="utf-8"))["variants"]
    assert [(row["seeds"], row["cases"], row["steps"]) for row in table.values()] == [([1], 1, 12)] * 2
    assert table["co-training"]["against_first"]["n"] == 1
    settings = json.loads((out / "co-training/seed1/eval/run.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["text_embedding"], settings["clamp_noise"], settings["seed"]) == ("none", True, 1)
