import numpy as np
import pytest
from dicom_files import write_slices
from scan_folders import SHAPE, folder, write

from llmsegnet_bundle.cases import images

VOXELS = np.zeros(SHAPE, np.int16)


def named(path, **options):
    return {item["name"]: item["image"].removeprefix(f"{path}/") for item in images(path, **options)}


def test_images_are_one_scan_or_those_of_a_folder(tmp_path):
    scans = folder(tmp_path) / "imagesTr"
    assert list(named(scans)) == [f"LA_{i}" for i in range(6)]
    first = images(scans)[0]["image"]
    assert images(first) == [{"name": "LA_0", "image": first}]
    with pytest.raises(ValueError, match=r"no scan there; give a \.nii\.gz, .*, \.mhd file, a DICOM folder"):
        images(tmp_path / "nowhere")


def test_series_below_a_folder_are_named_by_the_folders(tmp_path, capsys):
    for place in ("P1/S1/A", "P1/S1/B", "P2/S1/A"):
        write_slices(tmp_path / place, VOXELS)
    assert named(tmp_path) == {"P1_S1_A": "P1/S1/A", "P1_S1_B": "P1/S1/B", "P2_S1_A": "P2/S1/A"}
    assert capsys.readouterr().err == ""


def test_folder_of_slices_is_one_scan_of_its_own_name(tmp_path):
    write_slices(tmp_path / "1.2.840.7", VOXELS)
    assert [item["name"] for item in images(tmp_path / "1.2.840.7")] == ["1.2.840.7"]


def test_image_alone_in_a_folder_is_named_by_the_folder(tmp_path):
    for i in range(2):
        write(tmp_path / f"case_0000{i}" / "imaging.nii.gz", VOXELS)
    write(tmp_path / "plain.NII.GZ", VOXELS)
    wanted = {f"case_0000{i}": f"case_0000{i}/imaging.nii.gz" for i in range(2)}
    assert named(tmp_path) == wanted | {"plain": "plain.NII.GZ"}


def test_what_is_not_taken_gets_a_line(tmp_path, capsys):
    write(tmp_path / "scan.nii", VOXELS)
    (tmp_path / "notes.txt").write_text("no scan")
    for name in ("imaging", "segmentation"):
        write(tmp_path / "case_00000" / f"{name}.nii.gz", VOXELS)
    assert list(named(tmp_path)) == ["scan"]
    first, second = capsys.readouterr().err.splitlines()
    told = "which holds 2 scans (imaging.nii.gz, segmentation.nii.gz); give this folder, or one scan a folder"
    assert first == f"not taken: {tmp_path}/case_00000, {told}"
    assert second == f"not taken: {tmp_path}/notes.txt, which is no scan by its name"


def test_link_to_a_folder_above_is_not_followed(tmp_path, capsys):
    write(tmp_path / "case" / "scan.nii", VOXELS)
    (tmp_path / "case" / "again").symlink_to(tmp_path)
    assert list(named(tmp_path)) == ["case"]
    assert f"not taken: {tmp_path}/case/again, which leads back to a folder above it" in capsys.readouterr().err


def test_many_things_not_taken_are_cut_short(tmp_path, capsys):
    write(tmp_path / "scan.nii", VOXELS)
    for i in range(25):
        (tmp_path / f"{i}.txt").write_text("no scan")
    images(tmp_path)
    assert len(lines := capsys.readouterr().err.splitlines()) == 21
    assert lines[-1] == "not taken: ... and 5 more"


def test_two_scans_of_one_mask_are_refused(tmp_path):
    write(tmp_path / "a_b.nii", VOXELS)
    write(tmp_path / "a" / "b" / "scan.nii", VOXELS)
    with pytest.raises(ValueError, match=r"a_b\.nii and .*scan\.nii would get the same mask; rename one of them"):
        images(tmp_path)


def test_slices_beside_other_scans_are_refused(tmp_path):
    write_slices(tmp_path, VOXELS)
    write(tmp_path / "a.nii", VOXELS)
    with pytest.raises(ValueError, match=r"holds a\.nii and loose DICOM files; give each series a folder of its own"):
        images(tmp_path)
