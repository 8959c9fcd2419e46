import csv
import json

import pytest
from plans import FakeCommands, plan_of, variant, write_scores

from llmsegnet_bundle.ablation.ablate import plan_runs
from llmsegnet_bundle.ablation.plan import Variant
from llmsegnet_bundle.ablation.table import shown, write_table


def finished(plan, dice, **scores):
    """Return the runs of a plan, each with the Dice that `dice` has for its variant and seed."""
    runs = plan_runs(plan)
    for run in runs:
        if (run.variant.name, run.seed) in dice:
            for stage in ("training", "evaluating"):
                run.do(stage, FakeCommands())
            write_scores(run.folder / "eval", dice[run.variant.name, run.seed], **scores)
            for session in run.record["sessions"]:
                session |= {"commit": "0123456789abcdef", "changed": False, "seconds": 1800.0}
    return runs


def test_table_has_mean_std_and_paired_differences(tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b|c", x=0.3))
    dice = {("a", 1): [0.5, 0.7], ("a", 2): [0.7, 0.9], ("b|c", 1): [0.6, 0.9], ("b|c", 2): [0.8, 1.0]}
    file = write_table(plan, finished(plan, dice))
    lines = file.read_text(encoding="utf-8").splitlines()
    # seeds of a: 0.6, 0.8; of b: 0.75, 0.9; by case a: 0.6, 0.8; b: 0.7, 0.95; differences 0.10 and 0.15
    assert lines[0].startswith("| variant | seeds | dice %, mean ± std | against a [95 % interval] | HD95 mm | steps |")
    assert lines[2] == "| a | 2 of 2 | 70.0 ± 14.1 | - | 2.00 | 10 | 0.50 | 0123456 |"
    assert lines[3] == "| b\\|c | 2 of 2 | 82.5 ± 10.6 | +12.5 [+10.0, +15.0] | 2.00 | 10 | 0.50 | 0123456 |"
    assert "- **b|c**: b|c.json; `x: 0.3`" in lines
    assert lines[5].startswith("Scans scored: 2; classes: left atrium.")
    with (tmp_path / "table.csv").open() as text:
        first, second = csv.DictReader(text)
    assert (float(first["mean"]), first["difference"], first["steps"]) == (pytest.approx(0.7), "", "10")
    assert [float(second[key]) for key in ("difference", "low", "high")] == pytest.approx([0.125, 0.1, 0.15])
    entry = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["variants"]["b|c"]
    assert entry["by_seed"] == pytest.approx([0.75, 0.9])
    assert entry["against_first"]["seeds"] == [1, 2]


def test_swap_test_is_told_by_organ(tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b"))
    runs = finished(plan, {("a", 1): [0.5], ("a", 2): [0.7]})
    for run, right in zip(runs, (0.9, 0.9, 0.7, 0.7), strict=True):
        if not run.stages_left:
            dice = {"right": {"liver": right, "spleen": 0.8}, "next": {"liver": 0.1}}
            record = {"swap_text": {"next": right - 0.1}, "dice_by_text": dice}
            (run.folder / "eval/evaluation.json").write_text(json.dumps(record))
    lines = write_table(plan, runs).read_text(encoding="utf-8").splitlines()
    assert "Swap test, Dice % with the right text minus with that of next: a +70.0." in lines
    i = lines.index("| variant | text given | liver, Dice % | spleen, Dice % |")
    assert lines[i + 2 : i + 5] == ["| a | right | 80.0 | 80.0 |", "| a | next | 10.0 | - |", ""]


def test_partial_results_are_compared_over_common_seeds(tmp_path):
    plan = plan_of(tmp_path, variant("a"), variant("b"), variant("c"), variant("d"))
    dice = {("a", 1): [0.5], ("a", 2): [0.9], ("b", 1): [0.6], ("c", 1): [0.5, 0.7]}
    rows = write_table(plan, finished(plan, dice)).read_text(encoding="utf-8").splitlines()[2:6]
    assert [row.split(" | ")[1:4] for row in rows] == [
        ["2 of 2", "70.0 ± 28.3", "-"],
        ["1 of 2", "60.0", "+10.0"],
        ["1 of 2", "60.0", "-"],  # other scans
        ["0 of 2", "-", "-"],
    ]


def test_several_classes_are_averaged_and_regions_left_out(tmp_path):
    own = Variant("a", ("a.json",), {}, {}, ("core", "edema"))
    plan = plan_of(tmp_path, own, seeds=(1,))
    runs = finished(plan, {("a", 1): [0.0]})
    rows = ["c0,core,0.5,3", "c0,edema,0.7,nan", "c0,WHOLE,1.0,0", "c1,core,0.9,5", "c1,edema,0.9,nan", "c1,WHOLE,1,0"]
    (runs[0].folder / "eval/metrics.csv").write_text("\n".join(["case,class,dice,hd95_pooled_mm", *rows]))
    row = write_table(plan, runs).read_text(encoding="utf-8").splitlines()[2]
    assert row.split(" | ")[2:5] == ["75.0", "-", "4.00"]  # nan distances are left out


def test_several_commits_and_changed_files_are_told(tmp_path):
    plan = plan_of(tmp_path, variant("a"))
    runs = finished(plan, {("a", 1): [0.5], ("a", 2): [0.5]})
    runs[1].record["sessions"][1] |= {"commit": "fedcba9876", "changed": True}
    text = write_table(plan, runs).read_text(encoding="utf-8")
    assert "| 0123456, fedcba9+ |" in text
    assert "A + after a commit" in text
    assert "**The runs are of several commits**" in text


@pytest.mark.parametrize(
    ("metric", "value", "sign", "text"),
    [("dice", 0.8764, "", "87.6"), ("asd_mm", 1.234, "+", "+1.23"), ("dice", None, "", "-")],
)
def test_fractions_are_shown_in_percent(metric, value, sign, text):
    assert shown(metric, value, sign) == text


def test_metric_that_the_scores_lack_is_told(tmp_path):
    plan = plan_of(tmp_path, variant("a"), metric="asd_mm")
    with pytest.raises(ValueError, match=r"metrics\.csv has no asd_mm; "):
        write_table(plan, finished(plan, {("a", 1): [0.5]}))
