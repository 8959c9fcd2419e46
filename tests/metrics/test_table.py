"""The table of all cases, its summary and its files."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.random import default_rng

from llmsegnet_bundle.metrics import KEYS, MEASURES, CaseTable, case_metrics, interval_95

UNIT = (1.0, 1.0, 1.0)
CLASSES = ("background", "heart", "tumor")


def mask_of(*voxels, shape=(8, 8, 8)):
    mask = np.zeros(shape, dtype=np.uint8)
    for voxel in voxels:
        mask[voxel] = 1
    return mask


@pytest.fixture
def table():
    """Return two cases; heart: perfect, then 4 voxels off; tumor: missed, then absent from both maps."""
    table = CaseTable()
    first = 2 * mask_of((1, 1, 1)) + mask_of((5, 5, 5))
    table.add("one", mask_of((5, 5, 5)), first, UNIT, CLASSES)
    table.add("two, late", mask_of((1, 1, 1)), mask_of((1, 1, 5)), UNIT, CLASSES)
    return table


def test_table_row_is_the_metrics_of_one_class(table):
    expected = [("one", "heart"), ("one", "tumor"), ("two, late", "heart"), ("two, late", "tumor")]
    assert [(row["case"], row["class"]) for row in table.rows] == expected
    expected = case_metrics(mask_of((1, 1, 1)), mask_of((1, 1, 5)), UNIT)
    assert table.rows[2] == {"case": "two, late", "class": "heart", **expected}
    assert table.rows[1]["missed"] == 1.0


def test_table_takes_float_label_maps():
    table = CaseTable()
    label = MetaTensor(torch.from_numpy(2 * mask_of((1, 1, 1))).float())
    table.add("one", label, label, UNIT, CLASSES)
    assert [row["dice"] for row in table.rows] == [1.0, 1.0]


def test_class_in_no_label_is_not_scored():
    table = CaseTable()
    heart = mask_of((1, 1, 1))
    table.add("one", heart, heart, UNIT, CLASSES)
    table.add("two", heart + 2 * mask_of((5, 5, 5)), heart, UNIT, CLASSES)
    tumor = table.summary()["tumor"]
    assert (tumor["dice"], tumor["hd95_pooled_mm"]) == ({"n": 0} | dict.fromkeys(tumor["dice"].keys() - {"n"}),) * 2
    assert tumor["false_alarms"] == 1
    assert tumor["pred_ml"]["n"] == 2
    assert table.lines()[1] == "tumor: in no label, not scored; 2 cases, 0 missed, 1 false alarms"


def test_summary_leaves_nan_out(table):
    summary = table.summary()
    heart, tumor = summary["heart"], summary["tumor"]
    assert list(heart) == ["cases", "missed", "false_alarms", "preset", "tolerance_mm", "worst", *MEASURES]
    assert (heart["cases"], heart["missed"], heart["false_alarms"]) == (2, 0, 0)
    assert heart["dice"] == {"n": 2, "mean": 0.5, "std": 0.5, "median": 0.5, "interval_95": [0.0, 1.0]}
    assert heart["asd_mm"] == {"n": 2, "mean": 2.0, "std": 2.0, "median": 2.0, "interval_95": [0.0, 4.0]}
    assert heart["worst"] == ["two, late", "one"]
    assert (tumor["cases"], tumor["missed"], tumor["false_alarms"]) == (2, 1, 0)
    assert tumor["dice"] == heart["dice"]  # a miss, and rightly nothing
    diagonal = pytest.approx(8 * math.sqrt(3))
    assert tumor["asd_mm"] == {"n": 1, "mean": diagonal, "std": 0.0, "median": diagonal, "interval_95": None}


def test_summary_of_nan_only_is_none_and_false_alarms_are_counted():
    table = CaseTable()
    table.add("one", mask_of((1, 1, 1)), mask_of(), UNIT, CLASSES)
    assert table.summary()["heart"]["false_alarms"] == 1
    assert table.summary()["tumor"]["asd_mm"] == {"n": 0, **dict.fromkeys(("mean", "std", "median", "interval_95"))}


def test_written_files_hold_rows_and_summary(table, tmp_path):
    folder = tmp_path / "new" / "folder"
    table.write(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.csv", "summary.json"]  # nothing temporary left
    with (folder / "metrics.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["case", "class", *KEYS]
    for line, row in zip(lines, table.rows, strict=True):
        assert line[:2] == [row["case"], row["class"]]
        np.testing.assert_array_equal([float(value) for value in line[2:]], [row[key] for key in KEYS])
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == table.summary()


def test_write_again_replaces_the_files(table, tmp_path):
    table.write(tmp_path)
    table.add("three", mask_of(), mask_of(), UNIT, CLASSES)
    table.write(tmp_path)
    assert len((tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3 * 2
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["heart"]["cases"] == 3


def test_failed_write_keeps_the_old_file_and_leaves_nothing(table, tmp_path):
    table.write(tmp_path)
    before = (tmp_path / "metrics.csv").read_bytes()
    table.rows.append({"case": "broken", "unknown": 1.0})
    with pytest.raises(ValueError, match="unknown"):
        table.write(tmp_path)
    assert (tmp_path / "metrics.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.csv", "summary.json"]


def test_table_has_rows_of_regions(table):
    table.add("three", mask_of((1, 1, 1)), mask_of((1, 1, 1)), UNIT, CLASSES, {"all": [1, 2]})
    assert [row["class"] for row in table.rows[-3:]] == ["heart", "tumor", "all"]
    assert table.summary()["all"]["cases"] == 1


def test_paper_table_counts_a_miss_as_zero_and_says_so():
    table = CaseTable(preset="paper", tolerance_mm=2)
    table.add("one", mask_of(), mask_of((1, 1, 1)), UNIT, ("background", "heart"))
    heart = table.summary()["heart"]
    assert (heart["preset"], heart["tolerance_mm"], heart["missed"]) == ("paper", 2, 1)
    assert heart["hd95_pooled_voxel"]["mean"] == heart["dice"]["mean"] == 0.0
    note, line = table.lines()
    assert note.startswith(
        "preset paper: where a mask or its label is empty, Dice, Jaccard and distances all count as 0"
    )
    assert (
        line
        == "heart: mean Dice 0.0000, Jaccard 0.0000, HD95 0.00 voxel, ASD 0.00 voxel; 1 cases, 1 missed, 0 false alarms"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "loose"}, "preset must be standard or paper, got 'loose'"),
        ({"tolerance_mm": -1}, "tolerance_mm must be a number of at least 0, got -1"),
    ],
)
def test_bad_table_raises(options, message):
    with pytest.raises(ValueError, match=message):
        CaseTable(**options)


def test_interval_is_that_of_the_normal_mean_and_seeded():
    values = default_rng(1).normal(size=400)
    low, high = interval_95(values)
    half = 1.96 * values.std() / 20  # the standard error of the mean
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert interval_95(values) == (low, high) != interval_95(values, seed=1)
    assert interval_95([3.0, 3.0]) == (3.0, 3.0)
    assert interval_95([3.0]) is None


def test_write_into_a_file_is_refused(table, tmp_path):
    (tmp_path / "taken").write_text("kept")
    with pytest.raises(ValueError, match=r"taken is a file; give a folder for metrics\.csv and summary\.json"):
        table.write(tmp_path / "taken")


@pytest.mark.parametrize(
    ("name", "pred", "classes", "message"),
    [
        ("one", mask_of(), CLASSES, "name must be new to the table, got 'one' again"),
        ("new", mask_of(), ("background",), "classes must be different names, background first, at least 2"),
        ("new", mask_of(), ("background", "heart", "heart"), "classes must be different names"),
        ("new", mask_of(), "heart", "classes must be different names"),
        ("new", 3 * mask_of((1, 1, 1)), CLASSES, "pred must hold only integers from 0 to 2, got 3"),
        ("new", mask_of(shape=(2, 2, 2)), CLASSES, "pred and label must have one shape"),
    ],
)
def test_bad_case_raises_and_adds_no_row(table, name, pred, classes, message):
    with pytest.raises(ValueError, match=message):
        table.add(name, pred, mask_of(), UNIT, classes)
    assert len(table.rows) == 4
