import json

import numpy as np
from dicom_files import write_slice, write_slices
from scan_folders import SHAPE, folder, write

from llmsegnet_bundle.cases import from_folder, images
from llmsegnet_bundle.cases.untaken import untaken

VOXELS = np.zeros(SHAPE, np.int16)
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def test_each_thing_that_is_no_scan_gets_its_reason(tmp_path):
    scan = write(tmp_path / "a.nii.gz", VOXELS)
    (tmp_path / "b.mgz").write_text("no scan")
    (tmp_path / "c").mkdir()
    write_slice(tmp_path / "d.dcm", np.zeros((2, 3), np.int16), (0, 0, 0), kind=REPORT)
    for name in (".hidden", "DICOMDIR", "e.nhdr", "e.raw.gz", "f.mhd", "f.zraw", "g.raw"):
        (tmp_path / name).write_text("")
    taken = {tmp_path / "a.nii.gz", tmp_path / "e.nhdr", tmp_path / "f.mhd"}
    assert str(tmp_path / "a.nii.gz") == scan
    assert untaken(tmp_path, taken) == [
        f"{tmp_path}/b.mgz, which is no scan by its name",
        f"{tmp_path}/c, which holds no DICOM file itself",
        f"{tmp_path}/d.dcm, which is a report",
        f"{tmp_path}/g.raw, which is no scan by its name",
    ]
    assert untaken(tmp_path / "nowhere", ()) == []


def test_training_tells_what_it_does_not_take(tmp_path, capsys):
    root = folder(tmp_path, scans=4, labels=3)
    write(root / "imagesTr" / "case_7" / "imaging.nii.gz", VOXELS)
    write_slices(root / "imagesTr" / "LA_5", VOXELS)
    (root / "labelsTr" / "LA_9.mgz").write_text("no scan")
    from_folder(root, validation=1, labeled=2)
    assert capsys.readouterr().err.splitlines() == [
        f"not taken: {root}/imagesTr/case_7, which holds no DICOM file itself",
        f"not taken: {root}/labelsTr/LA_9.mgz, which is no scan by its name",
    ]


def test_channels_of_a_scan_are_taken_and_other_endings_are_told(tmp_path, capsys):
    root = folder(tmp_path, scans=0, labels=2)
    for i in range(2):
        write(root / "imagesTr" / f"LA_{i}_0000.nii.gz", VOXELS)
    write(root / "imagesTr" / "LA_7.nii", VOXELS)
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}))
    from_folder(root, validation=0, labeled="all")
    told = "which does not end with .nii.gz, as dataset.json says"
    assert capsys.readouterr().err == f"not taken: {root}/imagesTr/LA_7.nii, {told}\n"


def test_report_beside_a_series_is_told(tmp_path, capsys):
    write_slices(tmp_path / "P1", VOXELS)
    write_slice(tmp_path / "P1" / "sr.dcm", np.zeros((2, 3), np.int16), (0, 0, 0), kind=REPORT)
    assert [item["name"] for item in images(tmp_path)] == ["P1"]
    assert capsys.readouterr().err == f"not taken: {tmp_path}/P1/sr.dcm, which is a report\n"
