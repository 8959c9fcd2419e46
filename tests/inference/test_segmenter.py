"""Segmentation in one line: every kind of image gets the mask that inference.json writes."""

import shutil

import itk
import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import torch
from bundle_runs import BUNDLE, workflow
from dicom_series import laid_on, series

import llmsegnet_bundle
from llmsegnet_bundle.inference.segmenter import segment_files

SMALL = {"base_filters": 2, "crop": [32, 32, 32], "spacing_mm": [1.0] * 3, "text_embedding": "none", "device": "cpu"}
AFFINE = np.array([[0.0, -1.1, 0.1, 3.0], [1.2, 0.0, 0.0, -4.0], [0.0, 0.1, -1.3, 5.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A copy of a bundle, with weights of a small network that answers both classes."""
    folder = tmp_path_factory.mktemp("bundle") / "small"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("models", "eval", "cache"))
    (folder / "models").mkdir()
    torch.manual_seed(3)
    network = workflow(["inference"], folder, **SMALL).parser.get_parsed_content("network_def")
    for member in (network.alpha.eval(), network.beta.eval()):
        background, organ = member(torch.rand(1, 1, 48, 48, 48))[0].detach()
        member.backbone.out.bias.data[0] += (organ - background).median()
    torch.save(network.state_dict(), folder / "models/model.pt")
    return folder


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return rng.integers(0, 500, (34, 30, 28)).astype(np.int16)


@pytest.fixture
def expected(bundle, image, tmp_path_factory):
    """The mask that inference.json writes."""
    folder = tmp_path_factory.mktemp("expected")
    nib.save(nib.Nifti1Image(image, AFFINE), folder / "scan.nii.gz")
    flow = workflow(["inference"], bundle, dataset_dir=str(folder / "scan.nii.gz"), output_dir=str(folder), **SMALL)
    flow.initialize()
    flow.run()
    mask = np.asarray(nib.load(folder / "scan_seg.nii.gz").dataobj)
    assert 0 < mask.mean() < 1
    return mask


def test_array_gets_the_mask_of_inference_json(bundle, image, expected):
    mask = llmsegnet_bundle.segment(image, bundle, AFFINE, **SMALL)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)


def test_nibabel_image_and_path_give_a_nibabel_mask(bundle, image, expected, tmp_path):
    nifti = nib.Nifti1Image(image, AFFINE)
    nib.save(nifti, tmp_path / "scan.nii.gz")
    for given in (nifti, tmp_path / "scan.nii.gz", str(tmp_path / "scan.nii.gz")):
        mask = llmsegnet_bundle.segment(given, bundle, **SMALL)
        assert isinstance(mask, nib.Nifti1Image)
        np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-5)
        np.testing.assert_array_equal(np.asarray(mask.dataobj), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_command_writes_the_same_mask_quietly(bundle, image, expected, tmp_path, capsys):
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "a.nii.gz")
    segment_files(tmp_path / "a.nii.gz", tmp_path / "masks", bundle, show_progress=False, **SMALL)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "masks/a_seg.nii.gz").dataobj), expected)
    told = capsys.readouterr()
    assert told.out.count("\n") == 1  # that these weights are not described
    assert told.err == ""


@pytest.mark.parametrize("name", ["dataset_dir", "output_dir", "bundle_root"])
def test_what_is_given_already_is_refused(name, bundle, tmp_path):
    with pytest.raises(ValueError, match=f"^{name}: is given already, as "):
        segment_files(tmp_path, tmp_path / "masks", bundle, **{name: "other"})
    with pytest.raises(ValueError, match=f"^{name}: is given already, as "):
        llmsegnet_bundle.segment(np.zeros((8, 8, 8)), bundle, np.eye(4), **{name: "other"})


@pytest.mark.slow
def test_dicom_series_gets_its_mask_as_dicom_seg_too(bundle, tmp_path, caplog):
    series(tmp_path / "scans/a")
    highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
    segment_files(tmp_path / "scans", tmp_path / "masks", bundle, format="dicom-seg", **SMALL)
    assert "nvImageCodec" not in caplog.text  # of MONAI, where pydicom is installed
    mask = nib.load(tmp_path / "masks/a_seg.nii.gz")
    voxels = np.asarray(mask.dataobj)
    assert 0 < voxels.mean() < 1
    seg = highdicom.seg.segread(tmp_path / "masks/a_seg.dcm")
    volume = seg.get_volume(combine_segments=True)
    np.testing.assert_array_equal(laid_on(volume, mask.affine, voxels.shape), voxels)
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "82471001"
    before = (tmp_path / "masks/a_seg.dcm").stat().st_mtime_ns
    segment_files(tmp_path / "scans", tmp_path / "masks", bundle, format="dicom-seg", **SMALL)
    assert (tmp_path / "masks/a_seg.dcm").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="format: must be nifti or dicom-seg, got 'seg'"):
        segment_files(tmp_path / "scans", tmp_path / "masks", bundle, format="seg", **SMALL)


@pytest.mark.parametrize("kind", ["ITK", "SimpleITK"])
def test_itk_images_give_a_mask_of_their_kind_on_their_grid(kind, bundle, image, expected, tmp_path):
    itk_affine = np.diag([-1.0, -1, 1, 1]) @ np.diag([1.5, 1.25, 1.0, 1])
    spacing, origin = (1.5, 1.25, 1.0), (0.125, -7.3, 1 / 3)
    direction = np.diag([1.0, 1.0, -1.0])
    stored = np.ascontiguousarray(image.T)
    if kind == "ITK":
        given = itk.image_from_array(stored)
        given.SetDirection(itk.matrix_from_array(direction))
    else:
        given = SimpleITK.GetImageFromArray(stored)
        given.SetDirection(direction.ravel().tolist())
    given.SetSpacing(spacing)
    given.SetOrigin(origin)
    mask = llmsegnet_bundle.segment(given, bundle, **SMALL)
    assert type(mask).__module__ == type(given).__module__
    np.testing.assert_array_equal(np.asarray(mask.GetSpacing()), np.asarray(given.GetSpacing()))
    np.testing.assert_array_equal(np.asarray(mask.GetOrigin()), np.asarray(given.GetOrigin()))
    voxels = itk.array_from_image(mask) if kind == "ITK" else SimpleITK.GetArrayFromImage(mask)
    affine = itk_affine @ np.diag([1, 1, -1.0, 1])
    affine[:3, 3] = np.array([-1, -1, 1]) * origin
    wanted = llmsegnet_bundle.segment(image, bundle, affine, **SMALL)
    assert 0 < wanted.mean() < 1
    np.testing.assert_array_equal(voxels.T, wanted)


def test_other_numbers_are_stored_as_they_are(tmp_path, image):
    from llmsegnet_bundle.scans.images import store_image

    for dtype, kept in ((bool, np.uint8), (np.float16, np.float32), (np.int64, np.int64), (np.float64, np.float64)):
        file = store_image((image % 2).astype(dtype), AFFINE, tmp_path)
        assert nib.load(file).get_data_dtype() == kept
    scaled = nib.Nifti1Image(image / 3.0, AFFINE)
    scaled.set_data_dtype(np.int16)
    nib.save(scaled, tmp_path / "scaled.nii")
    loaded = nib.load(tmp_path / "scaled.nii")
    np.testing.assert_array_equal(nib.load(store_image(loaded, None, tmp_path)).dataobj, loaded.dataobj)


@pytest.mark.parametrize(
    ("given", "affine", "told"),
    [
        (np.zeros((4, 4, 4)), None, "affine: an array needs one, 4x4 in RAS mm, got none"),
        (np.zeros((4, 4, 4)), np.eye(3), r"affine: an array needs one, 4x4 in RAS mm, got shape \(3, 3\)"),
        (np.zeros((4, 4, 4), complex), np.eye(4), "image: must hold one number per voxel, got complex128"),
        (nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None), np.eye(4), "affine: goes with an array; Nifti1Image"),
        ("scan.nii.gz", np.eye(4), "affine: goes with an array; a file brings its own"),
        ([1], None, "image: must be a path, an array, or an image of nibabel, ITK or SimpleITK, got list"),
    ],
)
def test_what_cannot_be_segmented_is_refused_in_one_line(given, affine, told):
    with pytest.raises(ValueError, match=told):
        llmsegnet_bundle.segment(given, affine=affine)


def test_faults_of_a_scan_or_setting_are_told(bundle, image, tmp_path):
    with pytest.raises(ValueError, match="image has NaN or infinite voxels"):
        llmsegnet_bundle.segment(np.full((8, 8, 8), np.nan), bundle, AFFINE, **SMALL)
    with pytest.raises(ValueError, match=r"largest: .*inference\.json has no such setting"):
        llmsegnet_bundle.segment(image, bundle, AFFINE, largest=True)
    with pytest.raises(ValueError, match="stride_voxel: must be"):
        llmsegnet_bundle.segment(image, bundle, AFFINE, stride_voxel="tiny", **SMALL)
    for name in "ab":
        nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / f"{name}.nii")
    with pytest.raises(ValueError, match="holds 2 scans; give one"):
        llmsegnet_bundle.segment(tmp_path, bundle, **SMALL)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/metadata.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bundle: .*inference\.json does not exist"):
        llmsegnet_bundle.segment(image, tmp_path, AFFINE)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "inference",
            "{",
            r"inference\.json is no readable JSON \(.*\); get the bundle again, or",
        ),
        ("inference", "[" * 2_000_000, r"inference\.json is no readable JSON \(it is nested too deep\)"),
        (
            "inference",
            '{"run": []}',
            r"inference\.json lacks dataset_dir, initialize, output_dir; get the",
        ),
        ("metadata", "[]", r"metadata\.json is no readable JSON \(it holds a list"),
    ],
)
def test_damaged_bundle_is_told_in_one_line(name, content, told, tmp_path):
    (tmp_path / "configs").mkdir()
    for part in ("metadata", "inference"):
        (tmp_path / f"configs/{part}.json").write_text(content if part == name else "{}")
    with pytest.raises(ValueError, match=told):
        llmsegnet_bundle.segment(np.zeros((8, 8, 8)), tmp_path, AFFINE)
