"""The evaluator's side of the metrics: the handler that writes the tables and the ignite metric."""

import json
import math

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from llmsegnet_bundle.handlers import CaseMetrics, CaseMetricsHandler
from llmsegnet_bundle.metrics import CaseTable, case_metrics

CLASSES = ("background", "heart", "tumor")
AFFINE = torch.diag(torch.tensor([1.0, 2.0, -3.0, 1.0]))  # spacing 1, 2, 3 mm


def item(pred_voxels, label_voxels, name="case.nii.gz"):
    maps = []
    for voxels in (pred_voxels, label_voxels):
        voxel_map = torch.zeros(1, 6, 6, 6)
        for kind, voxel in voxels:
            voxel_map[0][voxel] = kind
        maps.append(MetaTensor(voxel_map, affine=AFFINE, meta={"filename_or_obj": f"/data/{name}"}))
    return {"pred": maps[0], "label": maps[1]}


BATCHES = [
    [item([(1, (1, 1, 1))], [(1, (1, 1, 1))], "a.nii.gz"), item([(1, (1, 1, 1))], [(1, (1, 1, 3))], "b.nii.gz")],
    [item([(2, (2, 2, 2))], [(1, (1, 1, 1)), (2, (2, 2, 2))], "c.nii.gz")],
]


def engine_of(batches):
    return Engine(lambda engine, batch: batch), batches


def run_with(attached, name=None):
    engine, batches = engine_of(BATCHES)
    attached.attach(engine, *([name] if name else []))
    return engine.run(batches)


def test_handler_writes_the_files_of_a_table(tmp_path, capsys):
    run_with(CaseMetricsHandler(tmp_path / "out", CLASSES, {"whole": [1, 2]}))
    table = CaseTable()
    for entry in (entry for batch in BATCHES for entry in batch):
        maps = [entry[key][0].numpy() for key in ("pred", "label")]
        name = entry["label"].meta["filename_or_obj"][len("/data/") : -len(".nii.gz")]
        table.add(name, *maps, (1.0, 2.0, 3.0), CLASSES, {"whole": [1, 2]})
    table.write(tmp_path / "expected")
    for name in ("metrics.csv", "summary.json"):
        assert (tmp_path / "out" / name).read_text(encoding="utf-8") == (tmp_path / "expected" / name).read_text(
            encoding="utf-8"
        )
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["heart"]["missed"] == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["heart", "tumor", "whole", "case by case"]


def test_handler_of_the_paper_preset_says_so(tmp_path, capsys):
    run_with(CaseMetricsHandler(tmp_path, CLASSES, preset="paper", tolerance_mm=2.0))
    assert capsys.readouterr().out.startswith("preset paper: ")
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["heart"]["tolerance_mm"] == 2.0


def test_metric_is_the_mean_over_cases_then_classes():
    state = run_with(CaseMetrics("dice", CLASSES), "dice")
    assert state.metrics["dice"] == pytest.approx(((1 + 0 + 0) / 3 + (1 + 1 + 1) / 3) / 2)


def test_metric_takes_a_number_of_classes():
    assert CaseMetrics("dice", 3).classes == ["0", "1", "2"]


def test_metric_of_dice_counts_false_alarms_and_not_classes_in_no_label():
    metric = CaseMetrics("dice", [*CLASSES, "nowhere"])
    heart, tumor = (1, (1, 1, 1)), (2, (2, 2, 2))
    metric.update([item([heart], [heart]), item([heart, tumor], [heart])])  # the tumor is in no label, so not scored
    assert metric.compute() == 1
    metric.update([item([tumor], [tumor])])  # now it is: heart 1, 1, 1 and tumor 1, 0, 1
    assert metric.compute() == pytest.approx((1 + 2 / 3) / 2)


def test_metric_leaves_nan_out():
    # heart: 0, 6 mm, a miss; tumor: nan twice (in neither map), then 0
    state = run_with(CaseMetrics("asd_mm", CLASSES), "asd_mm")
    miss = math.hypot(6, 12, 18)
    assert state.metrics["asd_mm"] == pytest.approx(((0 + 6 + miss) / 3 + 0) / 2)


def test_metric_of_nan_only_is_nan_and_a_new_run_starts_anew():
    metric = CaseMetrics("asd_mm", CLASSES)
    assert math.isnan(metric.compute())
    metric.update(BATCHES[0])
    metric.reset()
    metric.update([item([], [])])
    assert math.isnan(metric.compute())


def test_metric_takes_regions_preset_and_output_transform():
    metric = CaseMetrics("hd100_voxel", CLASSES, {"whole": [1, 2]}, "paper", output_transform=lambda output: output[0])
    engine, batches = engine_of([(BATCHES[1], "more")])
    metric.attach(engine, "distance")
    whole = case_metrics(*(np.asarray(BATCHES[1][0][key][0]) > 0 for key in ("pred", "label")), (1, 2, 3))
    assert engine.run(batches).metrics["distance"] == pytest.approx((0 + 0 + whole["hd100_voxel"]) / 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "accuracy"}, "measure must be one of dice, jaccard, .*, got 'accuracy'"),
        ({"measure": "dice", "preset": "loose"}, "preset must be standard or paper, got 'loose'"),
        ({"measure": "dice", "tolerance_mm": -1}, "tolerance_mm must be a number of at least 0"),
    ],
)
def test_bad_metric_raises(options, message):
    with pytest.raises(ValueError, match=message):
        CaseMetrics(classes=CLASSES, **options)
