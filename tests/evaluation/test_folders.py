"""Folders of masks against folders of labels, and the commands over them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.evaluation import evaluate
from llmsegnet_bundle.metrics import CaseTable, case_metrics

LABELS = Path(__file__).parents[3] / "shared" / "data" / "left_atrium" / "labelsTr"
SHAPE = (8, 9, 10)
AFFINE = np.array([[0.0, -2.0, 0.0, 5.0], [1.0, 0.0, 0.0, 7.0], [0.0, 0.0, 3.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
SPACING = (1.0, 2.0, 3.0)


def write(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def class_map(seed, classes=2):
    return np.random.default_rng(seed).integers(0, classes, SHAPE, np.uint8)


@pytest.fixture
def root(tmp_path):
    """Return a folder of two masks as the bundles save them, and of three labels."""
    for i in range(3):
        write(tmp_path / "labels" / f"c{i}.nii.gz", class_map(i))
    for i in range(2):
        write(tmp_path / "masks" / f"c{i}_seg.nii.gz", class_map(10 + i))
    return tmp_path


def test_maps_beside_a_mask_are_no_masks(root):
    for postfix in ("entropy", "disagreement", "probs"):
        write(root / f"masks/c0_{postfix}.nii.gz", np.full(SHAPE, 0.5, np.float32))
    summary = evaluate(root / "masks", root / "labels", root / "out", ("background", "organ"), workers=1)
    assert summary["organ"]["dice"]["n"] == 2
    write(root / "masks/d_probs.nii.gz", class_map(1))
    with pytest.raises(ValueError, match=r"d_probs\.nii\.gz has no label in"):
        evaluate(root / "masks", root / "labels", root / "out", ("background", "organ"), workers=1)


def run(root, **options):
    return evaluate(root / "masks", root / "labels", root / "out", **({"workers": 1} | options))


def rows_of(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_the_metrics_of_each_case(root, capsys):
    summary = run(root)
    rows = rows_of(root / "out")
    assert [(row["case"], row["class"]) for row in rows] == [("c0", "foreground"), ("c1", "foreground")]
    for i, row in enumerate(rows):
        expected = case_metrics(class_map(10 + i), class_map(i), SPACING)
        assert {key: float(row[key]) for key in expected} == expected
    assert json.loads((root / "out" / "summary.json").read_text(encoding="utf-8")) == summary
    assert summary["foreground"]["cases"] == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith("labels without a mask in ")
    assert "warning" not in printed.err


@pytest.mark.slow
def test_processes_give_the_files_of_one_process(root):
    write(root / "masks" / "c2.nii", class_map(12))
    first = run(root, regions={"whole": [1]})
    written = [(root / "out" / name).read_bytes() for name in ("metrics.csv", "summary.json")]
    assert run(root, regions={"whole": [1]}, workers=2) == first
    assert written == [(root / "out" / name).read_bytes() for name in ("metrics.csv", "summary.json")]


def test_classes_regions_preset_and_tolerance_reach_the_table(root):
    for i in range(2):
        write(root / "masks" / f"c{i}_seg.nii.gz", class_map(20 + i, 3))
    names, regions = ("background", "edema", "core"), {"whole": [1, 2]}
    found = run(root, classes=names, regions=regions, preset="paper", tolerance_mm=2.5)
    table = CaseTable("paper", 2.5)
    for i in range(2):
        table.add(f"c{i}", class_map(20 + i, 3), class_map(i), SPACING, names, regions)
    assert found == table.summary()


def test_masks_of_a_named_channel_are_of_the_short_label(root):
    for i in range(2):
        (root / "masks" / f"c{i}_seg.nii.gz").rename(root / "masks" / f"c{i}_0000_seg.nii.gz")
    run(root)
    assert [row["case"] for row in rows_of(root / "out")] == ["c0", "c1"]
    write(root / "labels" / "c0_0000.nii.gz", class_map(0))  # the long name wins
    run(root)
    assert [row["case"] for row in rows_of(root / "out")] == ["c0_0000", "c1"]
    write(root / "masks" / "c1_0001_seg.nii.gz", class_map(0))
    with pytest.raises(ValueError, match=r"c1_0000_seg\.nii\.gz and .*c1_0001_seg\.nii\.gz are of one case; leave one"):
        run(root)


def test_labels_may_end_in_seg_too(root):
    (root / "labels" / "c0.nii.gz").rename(root / "labels" / "c0_seg.nii.gz")
    run(root)
    assert [row["case"] for row in rows_of(root / "out")] == ["c0", "c1"]


@pytest.mark.parametrize(
    ("value", "label", "line"),
    [
        (0, 1, "c0_seg.nii.gz is empty; its label is not: missed"),
        (0, 0, "c0_seg.nii.gz is empty; so is its label"),
        (1, 0, "c0_seg.nii.gz is all foreground; check how it was made"),
    ],
)
def test_empty_and_full_masks_are_scored_with_one_line(root, capsys, value, label, line):
    write(root / "masks" / "c0_seg.nii.gz", np.full(SHAPE, value, np.uint8))
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:5, 2:5, 2:5] = label
    write(root / "labels" / "c0.nii.gz", labels)
    summary = run(root)["foreground"]
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: ")
    assert warning.endswith(line)
    assert (summary["missed"], summary["false_alarms"]) == (int(label > value), int(value > label))


def test_full_label_gives_a_line(root, capsys):
    write(root / "labels" / "c0.nii.gz", np.ones(SHAPE, np.uint8))
    run(root)
    assert "c0.nii.gz is all foreground; check that it is the label" in capsys.readouterr().err


def spoiled(value):
    voxels = class_map(0).astype(np.float32)
    voxels[1, 2, 3] = value
    return voxels


BAD = [
    (class_map(0)[1:], AFFINE, r"has the shape \(7, 9, 10\), its label \(8, 9, 10\); resample it to the label"),
    (
        class_map(0),
        np.diag([-1.0, 1, 1, 1]) @ AFFINE,
        r"lies up to \S+ mm \(\S+ voxels\) off its label .*c1\.nii\.gz; resample",
    ),
    (spoiled(np.nan), AFFINE, "has the values 0, 1, nan, must be whole, 0 to 1; renumber or set classes"),
    (spoiled(2), AFFINE, "has the values 0, 1, 2, must be whole, 0 to 1; renumber or set classes"),
    (spoiled(0.5), AFFINE, "has the values 0, 0.5, 1, must be whole"),
    (
        np.stack([class_map(0)] * 2, -1),
        AFFINE,
        r"must be 3-D with one number per voxel, got uint8 of shape \(8, 9, 10, 2\)",
    ),
]


@pytest.mark.parametrize(("voxels", "affine", "message"), BAD)
def test_bad_mask_is_refused_and_nothing_written(root, voxels, affine, message):
    write(root / "masks" / "c1_seg.nii.gz", voxels, affine)
    with pytest.raises(ValueError, match=r"^\S*c1_seg\.nii\.gz " + message):
        run(root)
    assert not (root / "out").exists()


@pytest.mark.parametrize("name", ["masks/c1_seg.nii.gz", "labels/c1.nii.gz"])
@pytest.mark.parametrize("content", [b"", b"no scan"])
def test_unreadable_file_is_refused(root, name, content):
    (root / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read \(.*\); copy or convert it again"):
        run(root)


@pytest.mark.slow
def test_bad_mask_in_another_process_is_one_line(root):
    (root / "masks" / "c0_seg.nii.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^\S*c0_seg\.nii\.gz cannot be read .*again$"):
        run(root, workers=2)
    assert not (root / "out").exists()


def test_label_with_a_class_too_many_is_refused(root):
    write(root / "labels" / "c1.nii.gz", class_map(1, 3))
    with pytest.raises(ValueError, match=r"^\S*labels/c1\.nii\.gz has the values 0, 1, 2, must be whole, 0 to 1"):
        run(root)


def test_failure_keeps_the_files_of_before(root):
    run(root)
    before = {file.name: file.read_bytes() for file in (root / "out").iterdir()}
    (root / "masks" / "c1_seg.nii.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        run(root)
    assert {file.name: file.read_bytes() for file in (root / "out").iterdir()} == before


def test_wrong_folders_are_refused(root):
    with pytest.raises(ValueError, match=r"nowhere is no folder; give a folder of NIfTI, NRRD"):
        evaluate(root / "nowhere", root / "labels", root / "out")
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no masks; give a folder of NIfTI, NRRD or MetaImage masks"):
        evaluate(root / "masks", root / "empty", root / "out")
    (root / "file").write_text("kept")
    with pytest.raises(ValueError, match=r"file is a file; give a folder for metrics\.csv and summary\.json"):
        evaluate(root / "masks", root / "labels", root / "file")
    write(root / "masks" / "other_seg.nii.gz", class_map(0))
    with pytest.raises(ValueError, match=r"other_seg\.nii\.gz has no label in \S*labels; .* the name other\.nii\.gz"):
        run(root)
    write(root / "labels" / "other.nii.gz", class_map(0))
    write(root / "masks" / "other.nii.gz", class_map(0))
    with pytest.raises(ValueError, match=r"other\.nii\.gz and \S*other_seg\.nii\.gz are of one case; leave one"):
        run(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "loose"}, "preset must be standard or paper, got 'loose'"),
        ({"tolerance_mm": -1}, "tolerance_mm must be a number of at least 0, got -1"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"classes": ("background",)}, "classes must be different names, background first, at least 2"),
        ({"regions": {"whole": [2]}}, "region 'whole' must list indices from 1 to 1 once"),
    ],
)
def test_wrong_options_are_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        run(root, **options)


@pytest.mark.slow
@pytest.mark.skipif(not LABELS.exists(), reason="../shared/data is absent")
def test_shifted_real_labels_have_their_numbers(tmp_path):
    for i in (68, 69):
        label = nib.load(LABELS / f"LA_0{i}.nii.gz")
        moved = np.roll(np.asarray(label.dataobj), 2, axis=0)  # 1.25 mm
        write(tmp_path / "masks" / f"LA_0{i}_seg.nii.gz", moved, label.affine)
    summary = evaluate(tmp_path / "masks", LABELS, tmp_path / "out", ("background", "left atrium"), workers=2)
    scores = summary["left atrium"]
    assert scores["hd100_mm"]["mean"] <= 1.25
    assert scores["volume_error"]["mean"] == 0.0
    assert scores["dice"]["mean"] > 0.9


def cli(*words):
    command = [sys.executable, "-m", "llmsegnet_bundle", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.slow
def test_command_line_evaluates_compares_splits_and_fails_in_one_line(root):
    words = ["--classes", "background,left atrium", "--regions", '{"all of it": [1]}', "--preset", "paper"]
    done = cli("evaluate", root / "masks", root / "labels", root / "out", *words)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:3]] == ["preset paper", "left atrium", "all of it"]
    done = cli("compare", root / "out", root / "out", root / "comparison.json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads((root / "comparison.json").read_text(encoding="utf-8"))["classes"]) == {
        "left atrium",
        "all of it",
    }
    for i in range(5):
        for part in ("imagesTr", "labelsTr"):
            write(root / "data" / part / f"c{i}.nii.gz", class_map(i))
    done = cli("split", root / "data", root / "split.json", "--labeled", 1, "--validation", "c1,c2", "--exclude", "c4")
    assert done.returncode == 0, done.stderr
    assert [len(items) for items in json.loads((root / "split.json").read_text(encoding="utf-8")).values()] == [1, 1, 2]
    for words in (
        ["evaluate", root / "nowhere", root / "labels", root / "out"],
        ["compare", root / "nowhere", root / "out"],
        ["split", root / "data", root / "split.json", "--labeled", 9],
    ):
        failed = cli(*words)
        assert failed.returncode == 1
        assert len(failed.stderr.splitlines()) == 1
