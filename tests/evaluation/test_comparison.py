"""Two runs against each other."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from llmsegnet_bundle.evaluation import compare
from llmsegnet_bundle.metrics import MEASURES, CaseTable


def rows_of(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def table_of(folder, shift, cases=8, preset="standard", extra=()):
    table = CaseTable(preset)
    for i in range(cases):
        label = np.zeros((20, 12, 12), np.uint8)
        label[4:10, 3 : 5 + i % 4, 3:9] = 1
        moved = np.roll(label, shift if i else 0, axis=0)
        table.add(f"c{i}", moved, label, (1.0, 1.0, 1.0), ("background", "heart"))
    for name in extra:
        table.add(name, label, label, (1.0, 1.0, 1.0), ("background", "heart"))
    table.write(folder)
    return folder


def test_comparison_is_paired_and_has_wilcoxons_p(tmp_path, capsys):
    a, b = table_of(tmp_path / "a", 2), table_of(tmp_path / "b", 1)
    result = compare(a, b, tmp_path / "new" / "comparison.json")
    written = json.loads((tmp_path / "new" / "comparison.json").read_text(encoding="utf-8"))
    assert written == {"a": str(a / "metrics.csv"), "b": str(b / "metrics.csv"), "classes": result}
    assert list(result["heart"]) == list(MEASURES)
    dice = [np.array([float(row["dice"]) for row in rows_of(folder)]) for folder in (a, b)]
    found = result["heart"]["dice"]
    assert (found["n"], found["higher"], found["lower"]) == (8, 7, 0)
    assert found["difference"] == pytest.approx((dice[1] - dice[0]).mean()) == found["mean_b"] - found["mean_a"]
    assert found["p"] == pytest.approx(stats.wilcoxon(dice[1], dice[0]).pvalue)
    assert found["p"] == 2 / 2**7  # all 7 that differ do so one way
    assert 0 < found["interval_95"][0] < found["difference"] < found["interval_95"][1]
    distance = result["heart"]["asd_mm"]
    assert (distance["higher"], distance["lower"]) == (0, 7)
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].split() == ["heart", "cases", "mean", "a", "mean", "b", "b", "-", "a", "95", "%", "interval", "p"]
    assert [line.split()[0] for line in printed[3:6]] == ["dice", "jaccard", "hd95_pooled_mm"]


def test_comparison_with_itself_finds_nothing(tmp_path):
    folder = table_of(tmp_path, 1)
    dice = compare(folder, folder / "metrics.csv")["heart"]["dice"]
    assert (dice["difference"], dice["p"], dice["higher"], dice["interval_95"]) == (0.0, 1.0, 0, [0.0, 0.0])


def test_comparison_leaves_nan_out(tmp_path):
    empty = np.zeros((4, 4, 4))
    table = CaseTable()
    table.add("one", empty, empty, (1.0, 1.0, 1.0), ("background", "heart"))
    table.write(tmp_path)
    found = compare(tmp_path, tmp_path)["heart"]
    assert found["asd_mm"] == {"n": 0} | dict.fromkeys(list(found["asd_mm"])[1:])
    assert (found["dice"]["n"], found["dice"]["interval_95"]) == (1, None)


def spoil(text):
    return lambda folder: (folder / "metrics.csv").write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "metrics.csv").unlink(), r"metrics\.csv cannot be read \(.*\); give a folder"),
        (spoil(""), r"metrics\.csv is no metrics\.csv with cases; make it by evaluate"),
        (spoil("case,dice\nc0,1\n"), r"metrics\.csv is no metrics\.csv with cases"),
        (spoil("case,class,dice\nc0,heart,good\n"), "has something else than numbers for c0; make it again"),
        (spoil("case,class,dice\nc0,heart,1\nc0,heart,1\n"), "has the case c0 of heart twice"),
        (
            spoil("case,class,dice\nc0,liver,1\n"),
            r"b/metrics\.csv lacks the class heart; evaluate both runs",
        ),
        (lambda folder: table_of(folder, 1, 7), r"b/metrics\.csv lacks the case of heart c7; evaluate both runs"),
        (
            lambda folder: table_of(folder, 1, extra=["x"]),
            r"a/metrics\.csv lacks the case of heart x; evaluate both",
        ),
        (
            lambda folder: table_of(folder, 1, preset="paper"),
            r"preset is standard in .* and paper in .*; evaluate",
        ),
        (lambda folder: (folder / "summary.json").write_text("[1]"), r"summary\.json is no readable JSON .*evaluate"),
        (lambda folder: (folder / "summary.json").write_text("{}"), r"summary\.json is no summary of evaluate"),
        (lambda folder: (folder / "summary.json").write_text('{"a": 5}'), r"a is a int, which must not stand there"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(tmp_path, change, message):
    a, b = table_of(tmp_path / "a", 2), table_of(tmp_path / "b", 1)
    change(b)
    with pytest.raises(ValueError, match=message):
        compare(a, b, tmp_path / "comparison.json")
    assert not (tmp_path / "comparison.json").exists()


def test_comparison_into_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder; give the name of the JSON file to write"):
        compare(tmp_path, tmp_path, tmp_path)
