"""A mask goes into a DICOM SEG with its bundle's codes, and what has none is told."""

import json

import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE, BUNDLES
from monai.data import MetaTensor

from llmsegnet_bundle.transforms import SaveDicomSegd, dicom


@pytest.fixture
def written(monkeypatch):
    seen = []
    monkeypatch.setattr(dicom, "import_highdicom", lambda: None)
    monkeypatch.setattr(dicom, "write_dicom_seg", lambda *told: seen.append(told))
    return seen


def answer(scan):
    meta = {"filename_or_obj": str(scan), "affine": 2 * torch.eye(4)}
    return {"pred": MetaTensor(torch.ones(1, 3, 4, 5, dtype=torch.uint8), meta=meta)}


@pytest.mark.parametrize(("given", "file"), [({}, "a.1_seg.dcm"), ({"name": "patient_a"}, "patient_a_seg.dcm")])
def test_mask_is_written_beside_by_the_name_of_its_case(given, file, written, tmp_path):
    series = tmp_path / "a.1"
    series.mkdir()
    data = answer(series) | given
    assert SaveDicomSegd("pred", tmp_path / "out", "dicom-seg", BUNDLE)(data).keys() == data.keys()
    ((mask, affine, source, target, segments, model, version),) = written
    assert (mask.shape, mask.dtype, source, target) == ((3, 4, 5), np.uint8, series, tmp_path / "out" / file)
    np.testing.assert_array_equal(affine, 2 * np.eye(4))
    assert [(one.name, one.kind) for one in segments] == [("left atrium", ("82471001", "Left atrium"))]
    assert model == "LLM-SegNet left atrium segmentation"
    assert version == json.loads((BUNDLE / "configs/metadata.json").read_text(encoding="utf-8"))["version"]


def test_nothing_is_written_where_nifti_is_asked_for(written, tmp_path):
    SaveDicomSegd("pred", tmp_path, "nifti", tmp_path / "none")(answer(tmp_path / "a.nii"))
    assert written == []


def test_other_scans_than_series_are_refused(written, tmp_path):
    with pytest.raises(ValueError, match=r"a\.nii is no DICOM series; leave --format dicom-seg out"):
        SaveDicomSegd("pred", tmp_path, "dicom-seg", BUNDLE)(answer(tmp_path / "a.nii"))


def test_every_bundle_has_codes_and_a_class_without_is_told():
    for folder in BUNDLES:
        metadata = json.loads((folder / "configs/metadata.json").read_text(encoding="utf-8"))
        assert len(dicom.coded_segments(folder, metadata)) == 1
    del metadata["network_data_format"]["outputs"]["pred"]["snomed"]
    with pytest.raises(ValueError, match=r"dataset\.yaml: give network_data_format#outputs#pred#snomed a code of"):
        dicom.coded_segments(folder, metadata)
