"""A download reads nothing of this machine but itself, and one bad source never stops the rest."""

import gzip
import os
import re
import struct
from concurrent.futures.process import BrokenProcessPool

import h5py
import itk
import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.cases import preset
from llmsegnet_bundle.prepare import folder as folder_module
from llmsegnet_bundle.prepare import prepare
from llmsegnet_bundle.prepare.download import files_below
from llmsegnet_bundle.prepare.scan import write_scan

ATRIA, TUMORS = preset("left_atrium").train, preset("brats19").train
GOOD, BAD = ATRIA[0], ATRIA[1]
SECRET = bytes(range(256)) * 32  # 8192 bytes, more than the 24 x 28 x 12 voxels of a scan of `Download`
NRRD = (
    "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 24 28 12\nencoding: raw\nspace: left-posterior-superior\n"
    "space directions: (0.625,0,0) (0,0.625,0) (0,0,0.625)\n"
)


@pytest.fixture
def secret(tmp_path):
    """Return a file of this machine that no download may read, as raw voxels and as a scan of each format."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "secret.raw").write_bytes(SECRET)
    voxels = np.frombuffer(SECRET, np.uint8)[: 24 * 28 * 12].reshape(24, 28, 12)
    itk.imwrite(itk.image_from_array(np.ascontiguousarray(voxels.T)), str(folder / "secret.nrrd"))
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "secret.nii.gz")
    with h5py.File(folder / "secret.h5", "w") as file:
        file["image"], file["label"] = voxels, voxels * 0
    return folder / "secret.raw"


def prepared(download, output, told, dataset="left_atrium", good=GOOD):
    """Prepare a download of one good and one bad scan: the good one is there, the bad one told and nowhere."""
    with pytest.raises(ValueError, match=told) as error:
        prepare(dataset, download.root, output, workers=1)
    assert "1 of 2 scans failed; correct them and run this again" in str(error.value)
    assert [file.name for file in (output / "imagesTr").iterdir()] == [f"{good}.nii.gz"]
    stored = np.asarray(nib.load(output / f"imagesTr/{good}.nii.gz").dataobj)
    assert not np.array_equal(stored.ravel("F"), np.frombuffer(SECRET, np.uint8)[: stored.size])
    return str(error.value)


@pytest.mark.parametrize("field", ["data file: SECRET", "datafile: ../../../home/secret.raw", "data file: link.raw"])
def test_nrrd_that_names_another_file_is_told(field, tmp_path, download, secret):
    download.atrium(GOOD)
    download.atrium(BAD, seed=1)
    file = next(download.root.rglob(f"{BAD}/lgemri.nrrd"))
    file.write_text(NRRD + field.replace("SECRET", str(secret)) + "\n\n")
    (file.parent / "link.raw").symlink_to(secret)
    prepared(
        download, tmp_path / "out", rf"failed: {BAD}: .*lgemri.nrrd takes its voxels from '.*', which lies neither"
    )


def test_link_of_voxels_within_their_folder_but_out_of_the_download_is_told(tmp_path, download, secret):
    download.atrium(GOOD)
    shared = tmp_path / "home/scan.nrrd"
    shared.write_text(NRRD + "data file: secret.raw\n\n")
    (download.root / "Training Set" / BAD).mkdir()
    (download.root / "Training Set" / BAD / "lgemri.nrrd").symlink_to(shared)
    prepared(download, tmp_path / "out", rf"failed: {BAD}: .*lgemri.nrrd is a link that leads out of .*, where nothing")


@pytest.mark.parametrize("part", ["lgemri.nrrd", "laendo.nrrd"])
@pytest.mark.parametrize("relative", [False, True])
def test_linked_file_out_of_the_download_is_told(part, relative, tmp_path, download, secret):
    download.atrium(GOOD)
    download.atrium(BAD, seed=1)
    file = next(download.root.rglob(f"{BAD}/{part}"))
    file.unlink()
    target = secret.with_suffix(".nrrd")
    file.symlink_to(os.path.relpath(target, file.parent) if relative else target)
    prepared(
        download, tmp_path / "out", rf"failed: {BAD}: .*{part} is a link that leads out of .*, where nothing is read"
    )


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual", "group", "terabytes",
                                  "gigabytes", "text", "no image", "2-D", "not h5", "empty"])  # fmt: skip
def test_h5_that_holds_no_voxels_of_its_own_is_told(kind, tmp_path, download, secret):
    told = {
        "external link": "image is a link, perhaps to another file, and is not read",
        "soft link": "image is a link, perhaps to another file",
        "external storage": "image takes its voxels from other files, which are not read",
        "virtual": "image takes its voxels from other files, which are not read",
        "group": "image is a group, must hold the voxels",
        "terabytes": r"claims 100000 x 100000 x 1000 voxels, 40000.0 GB, and .* GB of memory are free",
        "gigabytes": r"image claims 0.1 GB, which a file of 0.0\d\d MB cannot hold",
        "text": r"image must be 3-D with one number per voxel, got object of shape \(3,\)",
        "no image": "cannot be read as h5 with image and label .*it has no image",
        "2-D": r"image must be 3-D with one number per voxel, got uint8 of shape \(4, 4\)",
        "not h5": "cannot be read as h5 with image and label",
        "empty": "is empty; download it again",
    }[kind]
    download.h5(f"{GOOD}.h5")
    path = download.root / f"{BAD}.h5"
    with h5py.File(path, "w") as file:
        file["label"] = np.zeros((24, 28, 12), np.uint8)
        if kind == "external link":
            file["image"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/image")
        elif kind == "soft link":
            file["other"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/")
            file["image"] = h5py.SoftLink("/other/image")
        elif kind == "external storage":
            file.create_dataset("image", (24, 28, 12), "u1", external=[(str(secret), 0, 24 * 28 * 12)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((24, 28, 12), "u1")
            layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "image", (24, 28, 12))
            file.create_virtual_dataset("image", layout)
        elif kind == "group":
            file.create_group("image")
        elif kind == "terabytes":
            file.create_dataset("image", (10**5, 10**5, 10**3), "f4", chunks=(8, 8, 8))
        elif kind == "gigabytes":
            file.create_dataset("image", (300, 300, 300), "f4", chunks=(8, 8, 8))
        elif kind == "text":
            file["image"] = ["a", "b", "c"]
        elif kind == "2-D":
            file["image"] = np.zeros((4, 4), np.uint8)
    if kind in ("not h5", "empty"):
        path.write_bytes(b"no h5" if kind == "not h5" else b"")
    prepared(download, tmp_path / "out", rf"failed: {BAD}: .*{told}")


@pytest.mark.parametrize("kind", ["link", "folder", "empty", "cut", "bomb", "pipe", "circle", "gone", "claim"])
def test_bad_nifti_is_told_and_the_rest_prepared(kind, tmp_path, download):
    told = {
        "link": "is a link to nothing; download it again",
        "folder": "is a folder, must be a file; download it again",
        "empty": "is empty; download it again",
        "cut": r"cannot be read \(.*\); copy or convert it again",
        "bomb": r"claims 30000 x 30000 x 30000 voxels, 27000.0 GB, and .* GB of memory are free",
        "pipe": "is no file but a pipe or a device; remove it",
        "circle": "cannot be read .*; download it again",
        "gone": "is a link to nothing",
        "claim": r"cannot be read \(.*\); copy or convert it again",
    }[kind]
    good, bad = sorted(TUMORS[:2])
    for i, name in enumerate((good, bad)):
        download.tumor(name, seed=i)
    file = next(download.root.rglob(f"{bad}_{'seg' if kind == 'gone' else 'flair'}.nii.gz"))
    content = gzip.decompress(file.read_bytes())
    file.unlink()
    header = nib.Nifti1Header(content[:348])
    if kind in ("link", "gone"):
        file.symlink_to("nothing")
    elif kind == "folder":
        file.mkdir()
    elif kind == "empty":
        file.touch()
    elif kind == "cut":
        file.write_bytes(gzip.compress(content)[:-2000])
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "circle":
        file.symlink_to(file.name)
    else:
        header.set_data_shape((30000,) * 3 if kind == "bomb" else (300, 300, 30))
        header.set_data_dtype(np.uint8)
        file.write_bytes(gzip.compress(header.binaryblock + bytes(5000)))
    prepared(download, tmp_path / "out", rf"failed: {bad}: .*{told}", "brats19", good)


@pytest.mark.parametrize("kind", ["link", "pipe", "index"])
def test_neighbors_of_dicom_slices_are_looked_at_as_gdcm_reads_them(kind, tmp_path, download, secret):
    download.ct(case=1)
    folder = next(download.root.rglob("*.dcm")).parent
    if kind == "pipe":
        os.mkfifo(folder / "IM1")
    else:
        (folder / ("DICOMDIR" if kind == "index" else "IM1")).symlink_to(secret)
    told = "is no file but a pipe" if kind == "pipe" else "is a link that leads out of"
    with pytest.raises(ValueError, match=rf"failed: PANCREAS_0001: .* {told}"):
        prepare("pancreas_ct", download.root, tmp_path / "out", workers=1)


def dicom_element(group, tag, kind, value):
    value += b"\0" * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if kind == b"SQ" else struct.pack("<H", len(value))
    return struct.pack("<HH", group, tag) + kind + length + value


def test_index_of_dicom_files_leads_nowhere(tmp_path, download):
    download.ct(case=1)
    folder = next(download.root.rglob("*.dcm")).parent
    inner = sorted(folder.iterdir(), key=lambda file: itk.imread(str(file)).GetOrigin()[2])[4]
    inner.rename(tmp_path / "SECRET")  # one slice lies elsewhere, where the index leads
    meta = dicom_element(2, 2, b"UI", b"1.2.840.10008.1.3.10") + dicom_element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1")
    place = "\\".join([".."] * 5 + ["SECRET"]).encode()
    entry = dicom_element(4, 0x1430, b"CS", b"IMAGE") + dicom_element(4, 0x1500, b"CS", place)
    entries = dicom_element(4, 0x1220, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(entry)) + entry)
    length = dicom_element(2, 0, b"UL", struct.pack("<I", len(meta)))
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + length + meta + entries)
    with pytest.raises(ValueError, match=r"failed: PANCREAS_0001: .*slices are missing"):
        prepare("pancreas_ct", download.root, tmp_path / "out", workers=1)
    assert not any((tmp_path / "out/imagesTr").iterdir())


def test_scan_that_ends_its_process_is_told_and_the_rest_goes_on(tmp_path, download, monkeypatch):
    def break_at_the_second(work, todo, workers, module):
        for one in todo:
            if one.name == BAD:
                raise BrokenProcessPool
            yield work(one)

    def in_their_own(work, todo, module, ended):
        yield from (ended if one.name == BAD else work(one) for one in todo)

    monkeypatch.setattr(folder_module, "map_cases", break_at_the_second)
    monkeypatch.setattr(folder_module, "map_apart", in_their_own)
    names = sorted(ATRIA[:4])
    for i, name in enumerate(names):
        download.atrium(name, seed=i)
    told = rf"failed: {BAD}: its process was ended, perhaps for lack of memory; run this again with fewer"
    with pytest.raises(ValueError, match=told):
        prepare("left_atrium", download.root, tmp_path / "out", workers=2)
    images = {file.name for file in (tmp_path / "out/imagesTr").iterdir()}
    assert images == {f"{name}.nii.gz" for name in names if name != BAD}


def test_links_to_folders_are_told_when_they_lead_out_and_never_walked_in_a_circle(tmp_path, download, secret):
    download.atrium(GOOD)
    for name in ("again", "back"):  # two of them double the way at each turn
        (download.root / "Training Set" / name).symlink_to("..")
    (download.root / "self").symlink_to("self")
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    (download.root / "more").symlink_to(secret.parent)
    told = r"failed: .*more: is a link that leads out of .*\n0 of 1 scans failed, 1 folders were not searched"
    with pytest.raises(ValueError, match=told):
        prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    files, left = files_below(download.root)
    assert secret.name not in {file.name for file in files}
    assert list(left) == [str(download.root / "more")]


def test_source_may_be_a_link_or_the_working_directory_itself(tmp_path, download, monkeypatch):
    download.atrium(GOOD)
    (tmp_path / "link").symlink_to(download.root)
    monkeypatch.chdir(download.root / "Training Set" / GOOD)
    for source in (tmp_path / "link", "."):
        prepare("left_atrium", source, tmp_path / "a/new/place", workers=1)
        assert (tmp_path / f"a/new/place/imagesTr/{GOOD}.nii.gz").is_file()


def test_links_within_a_download_are_read_as_git_annex_lays_them(tmp_path, download):
    image, _ = download.atrium(GOOD)
    file = next(download.root.rglob("lgemri.nrrd"))
    (download.root / ".git").mkdir()
    file.rename(download.root / ".git/KEY.nrrd")
    file.symlink_to("../../.git/KEY.nrrd")
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    stored = nib.load(tmp_path / f"out/imagesTr/{GOOD}.nii.gz")
    np.testing.assert_array_equal(np.asarray(stored.dataobj), image)


def test_hidden_files_and_folders_are_passed_over(tmp_path, download):
    download.atrium(GOOD)
    (download.root / ".git").mkdir()
    for name in (".git/x.h5", "._x.h5"):
        (download.root / name).write_bytes(b"no h5")
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)


def test_unexpected_error_of_one_scan_is_told_and_the_rest_prepared(tmp_path, download, monkeypatch):
    def fail(source, data, crop, output):
        if source.name == BAD:
            raise TypeError("of some\nlibrary")
        return write_scan(source, data, crop, output)

    monkeypatch.setattr(folder_module, "write_scan", fail)
    download.atrium(GOOD)
    download.atrium(BAD, seed=1)
    prepared(download, tmp_path / "out", rf"failed: {BAD}: TypeError: of some library\n1 of 2")


def test_command_line_ends_with_a_line_for_each_and_status_1(tmp_path, download, monkeypatch, capsys):
    download.atrium(GOOD)
    download.atrium(BAD, seed=1)
    next(download.root.rglob(f"{BAD}/lgemri.nrrd")).write_bytes(b"")
    arguments = ["prepare", "left_atrium", str(download.root), str(tmp_path / "out"), "--workers=1"]
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    lines = str(end.value.code).splitlines()  # Python prints it, and ends with status 1
    assert re.fullmatch(rf"failed: {BAD}: .*lgemri.nrrd is empty; download it again", lines[0])
    assert lines[1:] == ["1 of 2 scans failed; correct them and run this again"]
    assert capsys.readouterr().out.splitlines()[1].startswith("1 scans to read")
