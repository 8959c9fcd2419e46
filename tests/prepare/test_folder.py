"""Downloads of all three data sets, prepared."""

import json
import os
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.cases import check_scans, from_file, preset
from llmsegnet_bundle.prepare import folder as folder_module
from llmsegnet_bundle.prepare import prepare
from llmsegnet_bundle.prepare.scan import write_scan

ATRIA = preset("left_atrium").train
TUMORS = preset("brats19").train


def read(output, name):
    """Return image and label as stored, and their files."""
    files = [nib.load(output / part / f"{name}.nii.gz") for part in ("imagesTr", "labelsTr")]
    return *(np.asanyarray(file.dataobj) for file in files), *files


def states(root):
    """Return every file below a folder with the time it was last changed."""
    return {path.relative_to(root).as_posix(): os.stat(path).st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_left_atrium_keeps_voxels_type_and_oblique_geometry(tmp_path, download):
    affine = download.rotated((0.625, 0.625, 1.25))
    image, mask = download.atrium(ATRIA[0], affine)
    lines = prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    voxels, label, *files = read(tmp_path / "out", ATRIA[0])
    assert (voxels.dtype, label.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(voxels, image)
    np.testing.assert_array_equal(label, mask)
    for file in files:
        np.testing.assert_allclose(file.affine, affine, atol=1e-5)
        np.testing.assert_allclose(file.header.get_zooms(), (0.625, 0.625, 1.25), rtol=1e-6)
        assert file.header.get_xyzt_units()[0] == "mm"
    assert f"odd: {ATRIA[0]}: spacing 0.625 x 0.625 x 1.25 mm, 0.625 mm expected" in lines
    assert any(line.startswith("missing: 99 of 100 scans of the published lists: ") for line in lines)


@pytest.mark.slow
def test_left_atrium_gets_the_published_split_by_two_processes(tmp_path, download, capsys):
    names = preset("left_atrium").names()
    chosen = [names[i] for i in (1, 0, 20, 79, 85)]
    for i, name in enumerate(chosen):
        download.atrium(name, seed=i)
    lines = prepare("left_atrium", download.root, tmp_path / "out", workers=2)
    lists = from_file(tmp_path / "out" / "left_atrium.json", tmp_path / "out")
    found = {part: [os.path.basename(item["image"])[:-7] for item in items] for part, items in lists.items()}
    assert found == {
        "labeled": [names[0], names[1]],
        "unlabeled": [names[20]],
        "validation": [names[79]],
        "test": [names[85]],
    }
    assert lines[-1].startswith("left_atrium.json: 2 labeled, 1 unlabeled, 1 validation, 1 test, digest ")
    assert (tmp_path / "out" / "prepared.txt").read_text(encoding="utf-8").splitlines() == lines
    out = capsys.readouterr().out
    assert out.startswith(f"left_atrium: 5 scans below {download.root}, 0 of them prepared before\n5 scans to read, ")


@pytest.mark.parametrize(
    ("dataset", "path", "name", "spacing_mm"),
    [
        ("left_atrium", f"{ATRIA[0]}/mri_norm2.h5", ATRIA[0], 0.625),
        ("left_atrium", f"{ATRIA[0]}.h5", ATRIA[0], 0.625),
        ("pancreas_ct", "Pancreas_h5/image0057_norm.h5", "PANCREAS_0057", 1.0),
        ("pancreas_ct", "h5/0001.h5", "PANCREAS_0001", 1.0),
        ("brats19", f"data/{TUMORS[0]}.h5", TUMORS[0], 1.0),
    ],
)
def test_community_h5_gets_the_spacing_of_its_data_set(tmp_path, download, dataset, path, name, spacing_mm):
    image, mask = download.h5(path)
    lines = prepare(dataset, download.root, tmp_path / "out", workers=1)
    voxels, label, file, _ = read(tmp_path / "out", name)
    assert voxels.dtype == np.float32
    np.testing.assert_array_equal(voxels, image)
    np.testing.assert_array_equal(label, mask)
    np.testing.assert_array_equal(file.affine, np.diag([spacing_mm] * 3 + [1]))
    assert lines[1].startswith(f"1 scans from h5 files, which hold no geometry: {spacing_mm:g} mm is assumed")


def test_pancreas_ct_reads_shuffled_oblique_dicom_and_flips_the_label(tmp_path, download):
    voxels, mask, affine = download.ct(case=1)
    lines = prepare("pancreas_ct", download.root, tmp_path / "out", workers=1)
    scan, label, file, label_file = read(tmp_path / "out", "PANCREAS_0001")
    assert (scan.dtype, label.dtype) == (np.int16, np.uint8)
    np.testing.assert_array_equal(scan, voxels)
    np.testing.assert_array_equal(label, mask)
    np.testing.assert_allclose(file.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(label_file.affine, file.affine)
    assert not any("PANCREAS_0001" in line and line.startswith("odd") for line in lines)
    assert any(line.startswith("pancreas_ct_coranet.json: 1 labeled, 0 unlabeled") for line in lines)
    assert any(
        line.startswith("no split file pancreas_ct_mcnet: pancreas_ct_mcnet: none of its first") for line in lines
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("whole_tumor", "classes"), [(True, {0, 1}), (False, {0, 1, 2, 3})])
def test_brats19_takes_flair_and_renumbers_the_label(tmp_path, download, suffix, whole_tumor, classes):
    image, stored, affine = download.tumor(TUMORS[0], suffix, "LGG")
    prepare("brats19", download.root, tmp_path / "out", whole_tumor=whole_tumor, workers=1)
    voxels, label, file, _ = read(tmp_path / "out", TUMORS[0])
    np.testing.assert_array_equal(voxels, image)
    np.testing.assert_array_equal(file.affine, affine)
    assert set(np.unique(label)) == classes
    np.testing.assert_array_equal(label == max(classes), stored > 0 if whole_tumor else stored == 4)


def test_brats19_takes_all_modalities_as_channels(tmp_path, download):
    download.tumor(TUMORS[0])
    download.tumor(TUMORS[30], seed=1)
    prepare("brats19", download.root, tmp_path / "out", workers=1)
    prepare("brats19", download.root, tmp_path / "out", modality="all", workers=1)
    channels = [f"{name}_{i:04d}.nii.gz" for name in sorted((TUMORS[0], TUMORS[30])) for i in range(4)]
    assert sorted(file.name for file in (tmp_path / "out/imagesTr").iterdir()) == channels
    lists = from_file(tmp_path / "out/brats19.json", tmp_path / "out")
    assert [len(lists[part]) for part in ("labeled", "unlabeled")] == [1, 1]
    check_scans(lists, in_channels=4)
    for i, modality in enumerate(("flair", "t1", "t1ce", "t2")):
        (source,) = download.root.rglob(f"{TUMORS[0]}_{modality}.nii.gz")
        written = nib.load(tmp_path / f"out/imagesTr/{TUMORS[0]}_{i:04d}.nii.gz")
        np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(nib.load(source).dataobj))


def test_case_that_lacks_a_modality_fails(tmp_path, download):
    download.tumor(TUMORS[0])
    next(download.root.rglob("*_t1.nii.gz")).unlink()
    with pytest.raises(ValueError, match=rf"failed: {TUMORS[0]}: .*{TUMORS[0]}_t1\.nii\.gz does not exist"):
        prepare("brats19", download.root, tmp_path / "out", modality="all", workers=1)


def test_scans_of_two_releases_are_told(tmp_path, download):
    for i, value in enumerate((3, 4)):
        download.tumor(TUMORS[i], seed=i)
        file = next(download.root.rglob(f"{TUMORS[i]}_seg.nii.gz"))
        label = nib.load(file)
        voxels = np.asarray(label.dataobj)
        nib.save(nib.Nifti1Image(np.where(voxels > 2, value, voxels).astype(np.uint8), label.affine), file)
    told = rf"failed: {TUMORS[0]}: 3 is in {TUMORS[0]} and 4 is in {TUMORS[1]}, but releases differ in what these mean"
    for _ in range(2):
        with pytest.raises(ValueError, match=told):
            prepare("brats19", download.root, tmp_path / "out", workers=1)


def test_brats19_takes_another_modality(tmp_path, download):
    image, *_ = download.tumor(TUMORS[0])
    prepare("brats19", download.root, tmp_path / "out", modality="t1ce", workers=1)
    np.testing.assert_array_equal(read(tmp_path / "out", TUMORS[0])[0], image + 2)


def test_scans_said_to_repeat_a_patient_are_told(tmp_path, download):
    for i in (25, 70):
        download.h5(f"{i:04}.h5", seed=i)
    lines = prepare("pancreas_ct", download.root, tmp_path / "out", workers=1)
    told = "odd: PANCREAS_0025 and PANCREAS_0070: said to repeat a patient; split --exclude leaves one out"
    assert told in lines


def test_second_run_changes_nothing(tmp_path, download, capsys):
    download.tumor(TUMORS[0])
    prepare("brats19", download.root, tmp_path / "out", workers=1)
    before = states(tmp_path / "out")
    capsys.readouterr()
    lines = prepare("brats19", download.root, tmp_path / "out", workers=1)
    assert states(tmp_path / "out") == before
    out = capsys.readouterr().out.splitlines()
    assert out == [f"brats19: 1 scans below {download.root}, 1 of them prepared before", *lines, "nothing changed"]


def test_changed_options_and_sources_are_prepared_again(tmp_path, download):
    for i in (0, 1):
        download.tumor(TUMORS[i], seed=i)
    prepare("brats19", download.root, tmp_path / "out", workers=1)
    before = states(tmp_path / "out")
    flair = next(download.root.rglob(f"{TUMORS[0]}_flair*"))
    os.utime(flair, ns=(1, 1))
    prepare("brats19", download.root, tmp_path / "out", workers=1)
    changed = {name for name, state in states(tmp_path / "out").items() if state != before[name]}
    assert f"imagesTr/{TUMORS[0]}.nii.gz" in changed
    assert f"imagesTr/{TUMORS[1]}.nii.gz" not in changed
    prepare("brats19", download.root, tmp_path / "out", crop="body_box", workers=1)
    assert states(tmp_path / "out")[f"imagesTr/{TUMORS[1]}.nii.gz"] != before[f"imagesTr/{TUMORS[1]}.nii.gz"]


def test_a_killed_run_leaves_nothing_half_and_goes_on(tmp_path, download, monkeypatch):
    for i in range(3):
        download.atrium(ATRIA[i], seed=i)

    half = f"imagesTr/.99999999.{sorted(ATRIA[:3])[1]}.nii.gz"

    def stop_at_the_second(source, data, crop, output):
        if source.name == sorted(ATRIA[:3])[1]:
            (output / half).write_bytes(b"half")  # of a process that is no more
            raise KeyboardInterrupt
        return write_scan(source, data, crop, output)

    monkeypatch.setattr(folder_module, "write_scan", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    first = f"{sorted(ATRIA[:3])[0]}.nii.gz"
    assert set(states(tmp_path / "out")) == {half, f"imagesTr/{first}", f"labelsTr/{first}", "prepared.json"}
    monkeypatch.undo()
    before = states(tmp_path / "out")
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    after = states(tmp_path / "out")
    assert after[f"imagesTr/{first}"] == before[f"imagesTr/{first}"]
    assert len([name for name in after if name.endswith(".nii.gz")]) == 6  # the half is gone
    assert len(json.loads((tmp_path / "out" / "prepared.json").read_text(encoding="utf-8"))) == 3


def test_failing_scans_do_not_stop_the_others(tmp_path, download, capsys):
    download.atrium(ATRIA[0])
    download.atrium(ATRIA[1], label_value=7, seed=1)
    download.atrium(ATRIA[2], seed=2)
    next(download.root.rglob(f"{ATRIA[2]}/lgemri.nrrd")).write_bytes(b"NRRD0004 cut short")
    told = (
        rf"failed: {ATRIA[0]}: found as .*\n"
        rf"failed: {ATRIA[1]}: .*laendo.nrrd has the values 7, must be of 0, 1, 255; correct it\n"
        rf"failed: {ATRIA[2]}: .*lgemri.nrrd cannot be read \(.*\); copy or convert it again\n"
        "3 of 5 scans failed; correct them and run this again"
    )
    download.h5(f"{ATRIA[0]}/mri_norm2.h5")
    download.atrium(ATRIA[3], seed=3)
    with pytest.raises(ValueError, match=told):
        prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    assert (tmp_path / "out" / "imagesTr" / f"{ATRIA[3]}.nii.gz").is_file()
    assert f"failed: {ATRIA[1]}" in capsys.readouterr().err


def test_odd_scans_are_told(tmp_path, download):
    download.atrium(ATRIA[0], label_value=0)
    download.atrium(ATRIA[1], label=False, seed=1)
    download.atrium(ATRIA[2], seed=2)
    download.atrium(ATRIA[3], affine=np.diag([0.625, -0.625, 0.625, 1]), seed=3)
    download.atrium("Z" * 20, seed=2)
    lines = prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    assert lines[0] == "5 scans, 4 with a label"
    for line in (
        f"odd: {ATRIA[0]}: the label is empty",
        f"odd: {ATRIA[1]}: no label, kept as unlabeled",
        f"odd: {ATRIA[3]}: orientation RPS, 4 scans have LPS",
        f"odd: {'Z' * 20} and {ATRIA[2]} have the same voxels",
        f"1 scans are in no published list: {'Z' * 20}",
        f"no split file left_atrium: {ATRIA[1]} is labeled and has no label; "
        "add it to labelsTr or take it from the list",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "kidney"}, "dataset must be one of left_atrium, pancreas_ct, brats19, got 'kidney'"),
        ({"source": "nowhere"}, "nowhere is no folder; set source to the folder of the download"),
        ({"dataset": "pancreas_ct"}, "holds no scan of pancreas_ct in a known layout; see docs/data.md, set source"),
        ({"crop": "tight"}, "crop must be one of none, label_box, body_box for left_atrium, got 'tight'"),
        ({"dataset": "brats19", "crop": "label_box"}, "crop must be one of none, body_box for brats19"),
        ({"dataset": "brats19", "modality": "pd"}, "modality must be all or one of flair, t1, t1ce, t2, got 'pd'"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"whole_tumor": "false"}, "whole_tumor must be True or False, got 'false'"),
    ],
)
def test_wrong_options_are_refused(tmp_path, download, options, message):
    download.atrium(ATRIA[0])
    with pytest.raises(ValueError, match=message):
        prepare(**{"dataset": "left_atrium", "source": download.root, "output": tmp_path / "out"} | options)
    assert not (tmp_path / "out").exists()


def test_command_line_ends_with_one_line(tmp_path, download, monkeypatch):
    download.atrium(ATRIA[0])
    command = ["llmsegnet-bundle", "prepare", "left_atrium", "--output", str(tmp_path / "out"), "--source"]
    monkeypatch.setattr("sys.argv", [*command, str(download.root), "--crop=label_box", "--workers=1"])
    main()
    assert "not label-free" in (tmp_path / "out" / "prepared.txt").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.argv", [*command, str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="nowhere is no folder; set source to the folder of the download"):
        main()


def test_label_that_is_gone_is_removed(tmp_path, download):
    download.atrium(ATRIA[0])
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    next(download.root.rglob("laendo.nrrd")).unlink()
    prepare("left_atrium", download.root, tmp_path / "out", workers=1)
    assert not any((tmp_path / "out" / "labelsTr").iterdir())


def test_full_disk_and_damaged_record_are_told(tmp_path, download, monkeypatch):
    download.atrium(ATRIA[0])
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
        with pytest.raises(ValueError, match=r"has 0.0 GB free, 0.0 GB may be needed; set output"):
            prepare("left_atrium", download.root, output)
    output.mkdir()
    (output / "prepared.json").write_text("{")
    with pytest.raises(ValueError, match=r"prepared.json is no readable JSON \(.*\); remove it, and all scans"):
        prepare("left_atrium", download.root, output)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file; give a folder for the prepared scans"):
        prepare("left_atrium", download.root, tmp_path / "file")
