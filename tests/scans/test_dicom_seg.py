"""DICOM SEG written, read back and compared voxel by voxel."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from dicom_files import write_slices
from dicom_series import laid_on, series

from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.dicom_seg import Segment, import_highdicom, write_dicom_seg

PANCREAS = Segment("pancreas", ("91723000", "Anatomical Structure"), ("15776009", "Pancreas"))
TUMOR = Segment("tumor", ("49755003", "Morphologically Abnormal Structure"), ("108369006", "Neoplasm"))


def test_seg_read_back_is_the_mask(tmp_path):
    folder = series(tmp_path / "series")
    highdicom = import_highdicom()
    voxels, affine = read_scan(folder)
    mask = np.random.default_rng(1).integers(0, 3, voxels.shape).astype(np.uint8)
    mask[:, :, 2] = 0  # a slice without any
    write_dicom_seg(mask, affine, folder, tmp_path / "out/a_seg.dcm", [PANCREAS, TUMOR], "LLM-SegNet", "0.1.0")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_seg.dcm"]
    seg = highdicom.seg.segread(tmp_path / "out/a_seg.dcm")
    volume = seg.get_volume(combine_segments=True)
    np.testing.assert_array_equal(laid_on(volume, affine, mask.shape), mask)
    told = seg.SegmentSequence
    assert [one.SegmentLabel for one in told] == ["pancreas", "tumor"]
    assert told[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "15776009"
    assert (seg.PatientID, seg.StudyInstanceUID) == ("P1", "1.2.826.0.0")
    slices = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {one.ReferencedSOPInstanceUID for one in slices} >= {f"1.2.826.9.{n}" for n in (1, 2, 4, 8)}


def test_seg_passes_the_validator(tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy of Debian's dicom3tools is not installed")
    folder = series(tmp_path / "series")
    voxels, affine = read_scan(folder)
    for name, mask in (("some", voxels % 2), ("none", 0 * voxels)):
        file = tmp_path / f"{name}.dcm"
        write_dicom_seg(mask, affine, folder, file, [PANCREAS], "LLM-SegNet", "0.1.0")
        told = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True).stderr
        assert "Segmentation" in told
        assert [line for line in told.splitlines() if line.startswith("Error")] == []


def test_what_cannot_be_a_seg_is_refused(tmp_path, monkeypatch):
    folder = series(tmp_path / "series")
    voxels, affine = read_scan(folder)
    file = tmp_path / "seg.dcm"
    for mask, place, told in (
        (np.zeros((3, 3, 3)), affine, "the mask lies on another grid than the series"),
        (0 * voxels, affine + 1, "the mask lies on another grid"),
        (2 + 0 * voxels, affine, "the mask holds class 2, which has no code; 1 have one"),
    ):
        with pytest.raises(ValueError, match=told):
            write_dicom_seg(mask, place, folder, file, [PANCREAS], "LLM-SegNet", "0.1.0")
    bare = tmp_path / "bare"
    write_slices(bare, voxels)
    with pytest.raises(ValueError, match="bare has no FrameOfReferenceUID, which a DICOM SEG must repeat"):
        write_dicom_seg(0 * voxels, read_scan(bare)[1], bare, file, [PANCREAS], "LLM-SegNet", "0.1.0")
    assert not file.exists()


def test_missing_package_is_told_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ValueError, match=r'DICOM SEG needs highdicom: pip install "llmsegnet-bundle\[dicom\]"'):
        import_highdicom()
