"""The inference config as a user runs it: scans of all kinds in, maps on their own grids out, a folder at a time."""

import os

import itk
import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import ROOT, refused, workflow

from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.inference import beside

PANCREAS = ROOT / "bundles/pancreas_ct"
REAL_CT = ROOT.parent / "shared/data/ct_example/example_ct.nii.gz"
SMALL = {"base_filters": 2, "crop": [48, 48, 48], "text_embedding": "none", "show_progress": False}
SMALL |= {"spacing_mm": [0.625] * 3}  # of the scans, so that a mask can be right to the voxel


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(workflow(["inference"], **SMALL).parser.get_parsed_content("network_def").state_dict(), file)
    return file


def segment(source, folder, weights, **overrides):
    """Segment with two networks that find what is bright, so that a mask has to lie on its object."""
    places = {"dataset_dir": str(source), "output_dir": str(folder), "model_file": str(weights)}
    flow = workflow(["inference"], **(SMALL | places | overrides))
    flow.initialize()
    pair = flow.parser.get_parsed_content("network")
    pair.alpha.forward = bright(50)
    pair.beta.forward = bright(20)
    flow.run()


def bright(slope):
    return lambda image, text_index=None: torch.cat([torch.full_like(image, 0.5), image], dim=1) * slope


def turned(affine, kind):
    if kind == "flipped":
        return affine @ np.diag([-1.0, 1, 1, 1])
    if kind == "oblique":
        angle = 0.2
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return turn @ affine
    return affine


def scan(kind="fine"):
    shape, spacing = ((30, 28, 26), 1.25) if kind == "coarse" else ((52, 50, 48), 0.625)
    affine = turned(np.diag([spacing] * 3 + [1.0]), kind)
    affine[:3, 3] = (-20, 30, 7)
    image = np.zeros(shape, dtype=np.uint8)
    image[5:20, 8:16, 10:25] = 200
    return nib.Nifti1Image(image, affine)


def itk_scan(nifti):
    """The same scan as ITK holds it: axes reversed in memory, in LPS."""
    image = itk.image_from_array(np.ascontiguousarray(np.asarray(nifti.dataobj).T).astype(np.int16))
    lps = np.diag([-1.0, -1, 1, 1]) @ nifti.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(lps[:3, :3] / spacing))
    return image


def write_series(nifti, folder, uid="1.2.826.0.1"):
    """Write a DICOM series whose file names say nothing of the order of its slices."""
    image = itk_scan(nifti)
    voxels = itk.array_from_image(image)
    folder.mkdir(parents=True)
    for i in range(len(voxels)):
        part = itk.image_from_array(voxels[i : i + 1])
        part.SetSpacing(image.GetSpacing())
        part.SetDirection(image.GetDirection())
        part.SetOrigin(image.TransformIndexToPhysicalPoint([0, 0, i]))
        part["0020|000e"] = uid
        part["0008|0060"] = "CT"
        io = itk.GDCMImageIO.New(KeepOriginalUID=True)
        itk.imwrite(part, str(folder / f"{(7 * i) % len(voxels):03d}.dcm"), imageio=io)


@pytest.mark.parametrize("kind", ["coarse", "flipped", "oblique"])
@pytest.mark.parametrize("file", ["nii.gz", "nrrd", "mha", "series"])
def test_mask_has_the_geometry_of_its_scan(file, kind, weights, tmp_path):
    nifti = scan(kind)
    source = tmp_path / ("1.2.840.7" if file == "series" else f"scan.{file}")
    if file == "nii.gz":
        nib.save(nifti, source)
    elif file == "series":
        write_series(nifti, source)
    else:
        itk.imwrite(itk_scan(nifti), str(source))
    segment(source, tmp_path / "masks", weights)
    mask = nib.load(tmp_path / "masks" / f"{'1.2.840.7' if file == 'series' else 'scan'}_seg.nii.gz")
    assert mask.get_data_dtype() == np.uint8
    voxels = np.asarray(mask.dataobj)
    # a reader may hold the axes of a series in another order or direction: voxel for voxel in space, not in memory
    there = nib.affines.apply_affine(np.linalg.inv(nifti.affine) @ mask.affine, np.argwhere(voxels >= 0))
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    wanted = np.asarray(nifti.dataobj)[tuple(np.rint(there).astype(int).T)] > 100
    assert mask.shape == nifti.shape or file == "series"
    assert voxels.size == nifti.dataobj.size
    np.testing.assert_array_equal(voxels.ravel(), wanted)


@pytest.fixture
def folder(tmp_path):
    """A folder of two good scans, a four-dimensional one, one with NaN and one cut short."""
    source = tmp_path / "scans"
    source.mkdir()
    good = scan()
    nib.save(good, source / "a.nii.gz")
    itk.imwrite(itk_scan(good), str(source / "z.nrrd"))
    nib.save(nib.Nifti1Image(np.zeros((50, 50, 50, 3), np.uint8), np.eye(4)), source / "four.nii.gz")
    nib.save(nib.Nifti1Image(np.full((50, 50, 50), np.nan, np.float32), np.eye(4)), source / "nan.nii.gz")
    (source / "short.nii.gz").write_bytes((source / "a.nii.gz").read_bytes()[:200])
    return source


def test_scans_that_fail_do_not_stop_the_others(folder, weights, tmp_path, capsys):
    with pytest.raises(RuntimeError) as stop:
        segment(folder, tmp_path / "masks", weights)
    lines = told_in_one_line(stop.value).splitlines()
    assert lines[0] == "3 of 5 scans failed:"
    for line, name, reason in zip(
        lines[1:],
        ("four", "nan", "short"),
        (" must be 3-D with 1 channels, got 3 of shape", " has NaN or infinite voxels; replace", " cannot be read"),
        strict=True,
    ):
        assert line.startswith(f"{folder / name}.nii.gz{reason}")
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["a_seg.nii.gz", "z_seg.nii.gz"]
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_done_is_skipped_unless_asked(folder, weights, tmp_path, capsys):
    for name in ("four", "nan", "short"):
        (folder / f"{name}.nii.gz").unlink()
    masks = tmp_path / "masks"
    segment(folder, masks, weights)
    first = [path.stat().st_mtime_ns for path in sorted(masks.iterdir())]
    (masks / "z_seg.nii.gz").unlink()
    segment(folder, masks, weights)
    assert "1 of 2 scans are done" in capsys.readouterr().out
    assert (masks / "a_seg.nii.gz").stat().st_mtime_ns == first[0]
    assert (masks / "z_seg.nii.gz").is_file()
    os.utime(masks / "a_seg.nii.gz", (0, 0))  # as if the weights were trained since
    segment(folder, masks, weights)
    told = f"2 of 2 scans are done in {masks}, 1 of them before {weights} was written; --overwrite True repeats them"
    assert told in capsys.readouterr().out
    segment(folder, masks, weights, probabilities=True)
    assert (masks / "a_probs.nii.gz").is_file()
    before = (masks / "a_seg.nii.gz").stat().st_mtime_ns
    segment(folder, masks, weights, overwrite=True)
    assert (masks / "a_seg.nii.gz").stat().st_mtime_ns > before


@pytest.mark.slow
def test_reading_and_writing_beside_the_network_gives_the_same_maps(folder, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "making_threads", lambda items: 2)
    maps = []
    for name in ("apart", "beside"):
        with pytest.raises(RuntimeError) as stop:
            segment(folder, tmp_path / name, weights, probabilities=True, **{"run#0#beside": name == "beside"})
        told = told_in_one_line(stop.value).replace(name, "")
        found = {file.name: np.asarray(nib.load(file).dataobj) for file in sorted((tmp_path / name).iterdir())}
        maps.append((told, found))
    (told, apart), (told_beside, found) = maps
    assert told_beside == told
    assert list(found) == list(apart) == [f"{scan}_{map}.nii.gz" for scan in "az" for map in ("probs", "seg")]
    for name, voxels in apart.items():
        np.testing.assert_array_equal(found[name], voxels)


def test_scan_with_a_map_that_cannot_be_written_beside_gets_no_mask(folder, weights, tmp_path):
    for name in ("four", "nan", "short"):
        (folder / f"{name}.nii.gz").unlink()
    (tmp_path / "masks/a_probs.nii.gz").mkdir(parents=True)
    with refused(r"a_probs\.nii\.gz cannot be written \(Is a directory\)"):
        segment(folder, tmp_path / "masks", weights, probabilities=True, **{"run#0#beside": True})
    assert sorted(file.name for file in (tmp_path / "masks").iterdir()) == [
        "a_probs.nii.gz",
        "z_probs.nii.gz",
        "z_seg.nii.gz",
    ]


def test_maps_of_uncertainty_and_probability(weights, tmp_path):
    image = np.zeros((52, 50, 48), np.float32)
    image[0], image[1] = 1.0, 0.52  # bright: both sure; near the threshold of 0.5: alpha more than beta
    nib.save(nib.Nifti1Image(image, np.diag([0.625, 0.625, 0.625, 1])), tmp_path / "scan.nii.gz")
    segment(tmp_path / "scan.nii.gz", tmp_path, weights, uncertainty=True, probabilities=True)
    maps = {name: np.asarray(nib.load(tmp_path / f"scan_{name}.nii.gz").dataobj) for name in MAPS}
    assert maps["probs"].shape == (52, 50, 48, 2)
    assert maps["probs"].dtype == np.float32
    alpha, beta = 1 / (1 + np.exp(-0.02 * 50)), 1 / (1 + np.exp(-0.02 * 20))
    mean = (alpha + beta) / 2
    entropy = {p: -p * np.log2(p) - (1 - p) * np.log2(1 - p) for p in (alpha, beta, mean)}
    np.testing.assert_allclose(maps["probs"][1, :, :, 1], mean, atol=1e-4)
    np.testing.assert_allclose(maps["entropy"][1], entropy[mean], atol=1e-4)
    np.testing.assert_allclose(maps["disagreement"][1], entropy[mean] - (entropy[alpha] + entropy[beta]) / 2, atol=1e-4)
    assert maps["entropy"][0].max() < 1e-2
    assert maps["seg"][:2].all()
    assert not maps["seg"][2:].any()


MAPS = ("probs", "entropy", "disagreement", "seg")


@pytest.mark.parametrize("cleaned", [False, True])
def test_largest_component_and_holes(cleaned, weights, tmp_path):
    image = np.zeros((52, 50, 48), np.uint8)
    image[5:20, 5:20, 5:20] = 200
    image[10, 10, 10] = 0  # a hole
    image[40:43, 40:43, 40:43] = 200  # a smaller part
    nib.save(nib.Nifti1Image(image, np.diag([0.625, 0.625, 0.625, 1])), tmp_path / "scan.nii.gz")
    segment(tmp_path / "scan.nii.gz", tmp_path, weights, largest_component=cleaned, fill_holes=cleaned)
    mask = np.asarray(nib.load(tmp_path / "scan_seg.nii.gz").dataobj)
    assert mask[10, 10, 10] == cleaned
    assert mask[41, 41, 41] == (not cleaned)
    assert mask[6, 6, 6]


@pytest.mark.parametrize("change", ["missing", "twice", "damaged", "two series"])
def test_incomplete_series_fails_in_one_line(change, weights, tmp_path):
    source = tmp_path / "series"
    write_series(scan("oblique"), source)
    if change == "missing":
        (source / "014.dcm").unlink()
    elif change == "damaged":  # the first slice, so that the others have no gap
        (source / "000.dcm").write_bytes((source / "000.dcm").read_bytes()[:-10])
    elif change == "twice":
        (source / "copy.dcm").write_bytes((source / "014.dcm").read_bytes())
    else:
        write_series(scan("coarse"), tmp_path / "other", uid="1.2.826.0.2")
        for file in (tmp_path / "other").iterdir():
            file.rename(source / f"other_{file.name}")
    uneven = r"(0|1\.25) mm between .* and .*, 0\.625 mm between others"
    told = {"two series": "2 DICOM series, must be one", "damaged": r"000\.dcm is a damaged DICOM file"}
    with refused(told.get(change, uneven), lines=2):
        segment(source, tmp_path / "masks", weights)
    assert not (tmp_path / "masks").exists()


def test_no_scan_and_two_of_one_name_stop_in_one_line(folder, weights, tmp_path):
    nib.save(scan(), folder / "z.nii.gz")
    with refused("would get the same mask"):
        segment(folder, tmp_path / "masks", weights)
    (tmp_path / "empty").mkdir()
    with refused("no scan there"):
        segment(tmp_path / "empty", tmp_path / "masks", weights)


def test_dicom_files_among_other_scans_are_refused(folder, weights, tmp_path):
    write_series(scan(), tmp_path / "series")
    (tmp_path / "series/000.dcm").rename(folder / "000.dcm")
    with refused(r"holds a\.nii\.gz and loose DICOM files"):
        segment(folder, tmp_path / "masks", weights)
    (folder / "000.dcm").rename(folder / "DICOMDIR")  # the index of a disk is no scan
    with refused("3 of 5 scans failed", lines=4):
        segment(folder, tmp_path / "masks", weights)


def test_masks_are_not_written_among_the_scans(folder, weights):
    with refused("holds the scans; give another"):
        segment(folder, folder, weights)


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"deploy": "gamma"}, "deploy: must be mean, alpha or beta, got 'gamma'"),
        ({"deploy": "alpha", "alternate": True}, "alternate: must be False when deploy is alpha"),
        ({"stride_voxel": 18}, "stride_voxel: must be three whole numbers of at least 1, half or third, got 18"),
    ],
)
def test_bad_setting_stops_in_one_line(setting, match, folder, weights, tmp_path):
    with refused(match):
        segment(folder, tmp_path / "masks", weights, **setting)


def test_uncertainty_refuses_alternate(weights, tmp_path):
    with refused("alternate: must be false when uncertainty"):
        segment(tmp_path, tmp_path / "masks", weights, uncertainty=True, alternate=True)


@pytest.mark.skipif(not REAL_CT.exists(), reason="../shared/data/ct_example is absent")
def test_real_ct_keeps_its_geometry(weights, tmp_path):
    source = nib.load(REAL_CT)
    spacing_mm = [float(side) for side in source.header.get_zooms()]
    segment(REAL_CT, tmp_path, weights, bundle=PANCREAS, spacing_mm=spacing_mm)
    mask = nib.load(tmp_path / "example_ct_seg.nii.gz")
    np.testing.assert_allclose(mask.affine, source.affine, atol=1e-3)
    assert mask.shape == source.shape
    middle_hu = 75  # of the window, where the two networks change their answer
    agree = (np.asarray(mask.dataobj) == 1) == (np.asarray(source.dataobj) > middle_hu)
    assert agree.mean() > 0.9999
