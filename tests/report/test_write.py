"""The page holds all of a run, loads nothing, escapes text, and says what is not recorded."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.metrics import CaseTable
from llmsegnet_bundle.report import write_report

SECTIONS = [
    "Worst, median and best case",
    "Scores",
    "Compared with the baseline",
    "Spread over the cases",
    "Cases",
    "How the weights were selected",
    "Training",
    "Configuration",
    "Data split",
    "Text",
    "Time",
    "Versions",
]


def titles(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def part(page, title):
    return re.search(rf"<h2>{title}</h2>(.*?)(?=<h2>|</main>)", page, re.DOTALL)[1]


def viewer_cases(page):
    return json.loads(re.search(r"const cases = (\[.*\]);", page)[1])


def copy(run_dir, folder, *without):
    return shutil.copytree(run_dir, folder / "run", ignore=shutil.ignore_patterns(*without, "report.html"))


@pytest.fixture(scope="module")
def page(run_dir, baseline_dir, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "sub" / "report.html"
    assert write_report(run_dir, baseline_dir, output=file) == file
    return file.read_text(encoding="utf-8")


def test_page_has_all_sections(page):
    assert titles(page) == SECTIONS
    assert "not recorded" not in page
    for text in ("0123456789ab", "f3ba", "at step 180 of 240", "PHANTOM_002", "alpha_supervised", "co-training"):
        assert text in page
    assert page.count("<img ") == page.count('<img src="data:image/')


def test_pictures_come_first_then_six_numbers_and_the_rest_is_folded(page):
    places = [
        page.index(mark) for mark in ("<h2>Worst", '<div id="viewer">', '<div class="tiles">', '<details class="part">')
    ]
    assert places == sorted(places)
    assert re.findall(r'<div class="tile"><span>(.*?)</span>', page) == [
        "mean Dice",
        "worst case",
        "median HD95",
        "against the baseline",
        "scans",
        "training time",
    ]
    assert page.count('<details class="part">') == len(SECTIONS) - 1


def test_viewer_has_the_three_cases_cut_to_what_matters(page):
    worst, median, best = viewer_cases(page)
    assert [one["name"].split(": ")[0] for one in (worst, median, best)] == ["worst", "median", "best"]
    assert all(side <= whole for side, whole in zip(worst["shape"], (56, 56, 44), strict=True))
    assert worst["spacing_mm"] == [1.5] * 3


def test_page_shows_what_the_text_does_in_each_network(page):
    shown = part(page, "Training").split("What the text does in each network")[1]
    assert re.findall(r'alt="(\w+) over the steps"', shown) == ["alpha_text_share", "beta_balance"]


def test_settings_that_differ_from_the_baseline_are_named(page):
    shown = part(page, "Compared with the baseline")
    assert re.findall(r"<li>(.*?)</li>", shown) == ["unsupervised_weight was 0.0, now 1.0"]


def test_page_loads_nothing(page):
    without_pictures = re.sub(r'"data:image/[^"]*"', '""', page)
    assert "http" not in without_pictures.replace("http-equiv", "")
    assert "default-src 'none'" in page


def test_text_of_the_run_is_escaped(run_dir, page, tmp_path):
    assert "<script>throw" not in page
    assert "&lt;script&gt;throw" in page
    run = copy(run_dir, tmp_path, "*.nii.gz")
    table = (run / "metrics.csv").read_text(encoding="utf-8")
    (run / "metrics.csv").write_text(table.replace("PHANTOM_003", "<b>$x").replace("left atrium", "<i>$y"))
    text = write_report(run).read_text(encoding="utf-8")
    assert "&lt;b&gt;$x" in text
    assert "<b>$x" not in text
    assert "<i>$y" not in text


@pytest.mark.parametrize(
    ("without", "sections"),
    [
        ("run.json", SECTIONS[5:6] + SECTIONS[7:]),
        ("events*", []),
        ("metrics.csv", ["Scores", "Spread over the cases", "Worst, median and best case", "Cases"]),
    ],
)
def test_missing_part_is_shown_as_not_recorded(without, sections, run_dir, tmp_path):
    text = write_report(copy(run_dir, tmp_path, without, "*.nii.gz")).read_text(encoding="utf-8")
    for title in sections:
        assert "not recorded" in part(text, title), title
    if without == "events*":
        assert "not recorded" in part(text, "Training")


def test_missing_or_unfitting_masks_are_told(run_dir, scans, tmp_path):
    run = copy(run_dir, tmp_path, "PHANTOM_003*", "events*")
    best = run / "PHANTOM_000_seg.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), best)
    text = part(write_report(run).read_text(encoding="utf-8"), "Worst, median and best case")
    assert "holds no mask PHANTOM_003_seg.nii.gz" in text
    assert "PHANTOM_000_seg.nii.gz lies on another grid than" in text
    best.write_bytes(b"no scan")
    assert "cannot be read" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.slow
def test_moved_scans_are_found_with_dataset_dir(run_dir, scans, tmp_path):
    run = copy(run_dir, tmp_path, "events*")
    record = json.loads((run / "run.json").read_text(encoding="utf-8").replace(str(scans), "/nowhere"))
    for part_of_it in ("labeled", "validation"):
        record["split"][part_of_it].insert(0, {})  # an entry without a scan is passed over
    (run / "run.json").write_text(json.dumps(record))
    assert "is no longer there; give --dataset_dir" in write_report(run).read_text(encoding="utf-8")
    assert "not recorded: " not in write_report(run, dataset_dir=scans).read_text(encoding="utf-8")
    assert "correct dataset_dir" in write_report(run, dataset_dir=tmp_path).read_text(encoding="utf-8")
    (run / "run.json").unlink()
    assert "the place of the scan PHANTOM_003 is not recorded" in write_report(run).read_text(encoding="utf-8")


def test_page_has_four_classes_their_regions_and_the_first_of_four_channels(tmp_path):
    grid = np.indices((24, 24, 24)) - 12
    label = np.select([(grid**2).sum(0) < r**2 for r in (4, 6, 9)], [1, 3, 2], 0).astype(np.uint8)
    run_dir, data = tmp_path / "run", tmp_path / "data"
    for folder in (run_dir, data / "imagesTr", data / "labelsTr"):
        folder.mkdir(parents=True)
    for k in range(4):
        nib.save(nib.Nifti1Image(label * 50 + k, np.eye(4)), data / f"imagesTr/case_000{k}.nii.gz")
    nib.save(nib.Nifti1Image(label, np.eye(4)), data / "labelsTr/case.nii.gz")
    mask = np.roll(label, 1, axis=0)
    nib.save(nib.Nifti1Image(mask, np.eye(4)), run_dir / "case_seg.nii.gz")
    table, classes = CaseTable(), ("background", "necrosis", "edema", "enhancing")
    table.add("case", mask, label, (1, 1, 1), classes, {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]})
    table.write(run_dir)
    item = {"image": str(data / "imagesTr/case.nii.gz"), "label": str(data / "labelsTr/case.nii.gz")}
    (run_dir / "run.json").write_text(json.dumps({"split": {"validation": [item]}}))
    for dataset_dir in (None, data):
        page = write_report(run_dir, dataset_dir=dataset_dir).read_text(encoding="utf-8")
        assert re.findall(r"<h3>(.*?)</h3>", part(page, "Scores")) == [*classes[1:], "WT", "TC", "ET"]
        (shown,) = viewer_cases(page)
        assert [layer["name"] for layer in shown["layers"]] == ["prediction", "label"]


def test_wrong_arguments_are_refused(run_dir, tmp_path):
    with pytest.raises(ValueError, match="no folder; give as dataset_dir"):
        write_report(run_dir, dataset_dir=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is a folder; give as output"):
        write_report(run_dir, output=tmp_path)


def test_command_ends_in_one_line_for_a_wrong_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle", "report", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no"):
        main()
