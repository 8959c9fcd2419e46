import json

import numpy as np
import pytest
from scan_folders import SHAPE, write

from llmsegnet_bundle.cases import load, make_split
from llmsegnet_bundle.cases.patients import patients_of, warn_of_patients
from llmsegnet_bundle.scans import case_name


def hearts(root, patients=12, frames=(1, 12), labels=True):
    """A folder like ACDC's: two labeled scans a patient, none alike."""
    for i in range(patients):
        for frame in frames:
            name = f"patient{i:03d}_frame{frame:02d}.nii.gz"
            write(root / "imagesTr" / name, np.full(SHAPE, 100 * frame + i, np.int16))
            write(root / "labelsTr" / name, np.ones(SHAPE, np.uint8))
    return root


def lists_of(file):
    lists = json.loads(file.read_text(encoding="utf-8"))
    return {part: [case_name(item["image"]) for item in items] for part, items in lists.items()}


def patients_in(lists):
    return {part: {name[:10] for name in names} for part, names in lists.items()}


@pytest.mark.parametrize("options", [{}, {"seed": 3}, {"test": 3}, {"labeled": "all"}, {"labeled": 5}, {"folds": 3}])
def test_patient_stays_in_one_list(options, tmp_path, capsys):
    folder = hearts(tmp_path)
    settings = {"labeled": 4, "validation": 5} | options
    for file in make_split(folder, tmp_path / "split.json", patient=r"patient\d+", **settings):
        lists = lists_of(file)
        parts = list(patients_in(lists).values())
        assert sum(map(len, parts)) == len(set().union(*parts)) == 12
        assert sum(map(len, lists.values())) == 24
        if "folds" not in options:
            assert len(lists["validation"]) == 6
    assert capsys.readouterr().err == ""


def test_table_names_the_patients(tmp_path):
    folder = hearts(tmp_path)
    rows = [f"patient{i:03d}_frame{frame:02d},p{i // 2}" for i in range(12) for frame in (1, 12)]
    (tmp_path / "t.csv").write_text("\n".join(["scan,who", *rows]))
    (file,) = make_split(folder, tmp_path / "s.json", labeled=1, validation=1, patient=f"{tmp_path}/t.csv:who")
    assert {part: len(names) for part, names in lists_of(file).items()} == {
        "labeled": 4,
        "unlabeled": 16,
        "validation": 4,
    }


def test_scans_without_a_label_of_a_patient_that_validates_are_left_out(tmp_path):
    folder = hearts(tmp_path)
    (folder / "labelsTr" / "patient011_frame12.nii.gz").unlink()
    (file,) = make_split(folder, tmp_path / "s.json", labeled=2, validation=1, patient=r"patient\d+")
    lists = lists_of(file)
    assert lists["validation"] == ["patient011_frame01"]
    assert "patient011_frame12" not in lists["unlabeled"]


def test_named_lists_that_part_a_patient_are_refused(tmp_path):
    settings = {"labeled": "patient001_frame01", "validation": "patient001_frame12", "patient": r"patient\d+"}
    told = r"patient001_frame12 \(validation\) and patient001_frame01 \(labeled\) are of one patient; name both for one"
    with pytest.raises(ValueError, match=told):
        make_split(hearts(tmp_path), tmp_path / "s.json", **settings)


def test_names_that_look_like_one_patient_get_a_warning(tmp_path, capsys):
    folder = hearts(tmp_path)
    make_split(folder, tmp_path / "s.json", labeled=4, validation=3)
    told = (
        "warning: patient010_frame01 (unlabeled) and patient010_frame12 (validation) look like scans of one patient; "
        "keep the scans of a patient in one list by split --patient\n"
    )
    assert capsys.readouterr().err == told
    load(folder, labeled=4, validation=3)
    assert capsys.readouterr().err == told


def test_patients_that_are_trained_on_and_held_out_are_told_first(capsys):
    lists = {
        "labeled": ["a_1", "b_1", "c_1"],
        "unlabeled": ["a_2", "d_1", "e_1", "f_1"],
        "validation": ["b_2", "g_1"],
        "test": ["b_3", "h_1", "i_1", "j_1", "k_1", "l_1", "m_1"],
    }
    warn_of_patients({part: [{"image": f"{name}.nii"} for name in names] for part, names in lists.items()})
    told = "warning: b_1 (labeled) and b_3 (test) look like scans of one patient, as do those of 1 more; keep"
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.parametrize("name", ["LA_{:03d}", "PANCREAS_{:04d}", "BraTS19_2013_{}_1", "{:03d}", "case_{:05d}_a"])
def test_names_of_a_data_set_get_none(name, tmp_path, capsys):
    for i in range(12):
        for sub in ("imagesTr", "labelsTr"):
            write(tmp_path / sub / f"{name.format(i)}.nii", np.full(SHAPE, i if sub == "imagesTr" else 1, np.uint8))
    make_split(tmp_path, tmp_path / "s.json", labeled=4, validation=3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("patient", "message"),
    [
        ("case", "patient: case has no patient for a_1; correct it, or leave the scan out"),
        ("(", r"patient: '\(' is no regular expression \(.*\); such as"),
        ("none.csv:who", r"patient: none.csv cannot be read \(.*\); give TABLE.csv:COLUMN"),
    ],
)
def test_bad_patient_is_refused(patient, message):
    with pytest.raises(ValueError, match=message):
        patients_of(["a_1"], patient)


def test_table_without_the_column_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("scan,who\na,b\n")
    with pytest.raises(ValueError, match="must have the column 'patient', has scan, who"):
        patients_of(["a"], f"{tmp_path}/t.csv:patient")
