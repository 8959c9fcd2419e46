import json

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.cases.survey import scan_facts, survey, survey_labeled

# the file's axes are superior, left, anterior
AFFINE = np.array([[0, -1.0, 0, 0], [0, 0, 2.0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1.0]])


def write(folder, name, label=True):
    image = np.zeros((20, 30, 40), np.int16)
    mask = np.zeros(image.shape, np.uint8)
    mask[5:10, 10:20, 4:10] = 1
    mask[6, 12, 5] = 3
    image[mask > 0] = 70
    for kind, voxels in (("imagesTr", image), ("labelsTr", mask)):
        (folder / kind).mkdir(exist_ok=True)
        if kind == "imagesTr" or label:
            nib.save(nib.Nifti1Image(voxels, AFFINE), folder / kind / f"{name}.nii.gz")


def test_facts_are_of_the_axes_of_space(tmp_path):
    write(tmp_path, "a")
    item = {"image": str(tmp_path / "imagesTr/a.nii.gz"), "label": str(tmp_path / "labelsTr/a.nii.gz")}
    facts = scan_facts(item)
    assert facts.size_voxel == (30, 40, 20)
    assert facts.spacing_mm == (1.0, 2.0, 3.0)
    assert facts.values == (0, 1, 3)
    assert facts.volume_ml == pytest.approx(5 * 10 * 6 * 6 / 1000)
    assert facts.extent_mm == (10.0, 12.0, 15.0)
    assert set(facts.intensities) == {70.0}


def test_survey_counts_scans_without_a_label(tmp_path):
    for name in "abc":
        write(tmp_path, name, label=name != "c")
    facts = survey(tmp_path)
    assert [scan.values for scan in facts] == [(0, 1, 3), (0, 1, 3), None]


def test_labels_are_measured_of_the_labeled_list_alone(tmp_path):
    for name in "abc":
        write(tmp_path, name)
    (tmp_path / "labelsTr/c.nii.gz").write_bytes(b"of a validation scan")
    assert len(survey_labeled(tmp_path, labeled=1, validation=1)) == 1


def test_survey_of_a_split_file_reads_the_labels_of_its_labeled_list_alone(tmp_path):
    for name in "abcde":
        write(tmp_path, name)
    for name in "bcd":  # to read one would fail
        (tmp_path / "labelsTr" / f"{name}.nii.gz").write_text("no scan")
    (tmp_path / "imagesTr" / "b.nii.gz").write_text("no scan")
    pairs = {name: {"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"} for name in "abcde"}
    lists = {"labeled": [pairs["a"], pairs["e"]], "validation": [pairs["b"]], "unlabeled": [pairs["c"], pairs["d"]]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    assert [scan.values for scan in survey(tmp_path, tmp_path / "split.json")] == [(0, 1, 3), (0, 1, 3), None, None]


def test_unfit_scans_are_refused(tmp_path):
    write(tmp_path, "a")
    with pytest.raises(ValueError, match="labeled \\+ validation need 2"):
        survey(tmp_path)
    write(tmp_path, "b")
    nib.save(nib.Nifti1Image(np.full((4, 4, 4), np.nan, np.float32), np.eye(4)), tmp_path / "imagesTr/b.nii.gz")
    with pytest.raises(ValueError, match=r"b\.nii\.gz has NaN or infinite voxels"):
        survey(tmp_path)
