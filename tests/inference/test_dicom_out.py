import json

import nibabel as nib
import numpy as np
import pytest
from bundle_runs import BUNDLE

from llmsegnet_bundle.inference import dicom_out
from llmsegnet_bundle.inference.dicom_out import coded_segments, segment_to_dicom
from llmsegnet_bundle.scans.writing import case_file


@pytest.fixture
def asked(monkeypatch):
    """Series "a" and "b" whose inference is stood in for: "b" gets no mask."""
    seen = []

    def segment(source, output_dir, bundle, **settings):
        nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.uint8), np.eye(4)), case_file(output_dir, "a", "seg"))
        raise ValueError("1 of 2 scans failed:\nb: torn")

    monkeypatch.setattr(dicom_out, "import_highdicom", lambda: None)
    monkeypatch.setattr(dicom_out, "segment_files", segment)
    monkeypatch.setattr(dicom_out, "write_dicom_seg", lambda *told: seen.append(told))
    return seen


def test_each_series_with_a_mask_gets_a_seg_and_the_others_are_told(asked, monkeypatch, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    cases = [{"name": name, "image": str(tmp_path / name)} for name in "ab"]
    monkeypatch.setattr(dicom_out, "images", lambda source: cases)
    with pytest.raises(ValueError, match="1 of 2 scans failed:\nb: torn"):
        segment_to_dicom(tmp_path, tmp_path / "out", BUNDLE)
    ((mask, _, series, file, segments, model, version),) = asked
    assert (mask.shape, series, file) == ((3, 4, 5), tmp_path / "a", tmp_path / "out/a_seg.dcm")
    assert [(one.name, one.kind) for one in segments] == [("left atrium", ("82471001", "Left atrium"))]
    assert (model, version) == ("LLM-SegNet left atrium segmentation", "0.1.0")


def test_other_scans_than_series_are_refused(asked, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"a\.nii is no DICOM series; segment it without --format dicom-seg"):
        segment_to_dicom(tmp_path, tmp_path / "out", BUNDLE)


def test_every_bundle_has_codes_and_a_class_without_is_told(tmp_path):
    for folder in BUNDLE.parent.iterdir():
        if (folder / "dataset.yaml").is_file():
            metadata = json.loads((folder / "configs/metadata.json").read_text(encoding="utf-8"))
            assert len(coded_segments(folder, metadata)) == 1
    del metadata["network_data_format"]["outputs"]["pred"]["snomed"]
    with pytest.raises(ValueError, match=r"dataset\.yaml: give network_data_format#outputs#pred#snomed a code of"):
        coded_segments(folder, metadata)
