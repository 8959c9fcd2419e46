"""One scan: series, labels, geometry, crops."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.cases import preset
from llmsegnet_bundle.prepare import Source, data_set, load_scan
from llmsegnet_bundle.prepare.download import files_below
from llmsegnet_bundle.prepare.placing import place_label

ATRIA = preset("left_atrium").train
CT, TUMOR = data_set("pancreas_ct"), data_set("brats19")


def found(data, download):
    (source,) = data.find(files_below(download.root)[0])
    return source


def voxels_of(nifti):
    return np.asanyarray(nifti.dataobj)


def nifti_source(root, image, label=None, affine=None, label_affine=None):
    """Write a scan of BraTS by its arrays."""
    root.mkdir(exist_ok=True)
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(image, affine), root / "x_flair.nii.gz")
    if label is not None:
        nib.save(nib.Nifti1Image(label, affine if label_affine is None else label_affine), root / "x_seg.nii.gz")
    return Source("x", (str(root / "x_flair.nii.gz"),), None if label is None else str(root / "x_seg.nii.gz"))


@pytest.mark.parametrize("left_out", [(4,), (3, 4)])
def test_missing_slices_are_refused_with_their_gap(download, left_out):
    download.ct(left_out=left_out)
    gap = f"{1.5 * (len(left_out) + 1):g}"
    told = (
        rf"series 1.2.826.1\S* in .*: {gap} mm between \d+.dcm and \d+.dcm, 1.5 mm between others; slices are missing"
    )
    with pytest.raises(ValueError, match=told):
        load_scan(found(CT, download), CT)


def test_several_series_of_a_case_are_named(download):
    download.ct(series="1.2.826.1")
    download.ct(series="1.2.826.2", left_out=(8, 9))
    told = r"2 DICOM series, must be one: 1.2.826.1\S* in .* \(10 files\), 1.2.826.2\S* in .* \(8 files\); leave"
    with pytest.raises(ValueError, match=told):
        load_scan(found(CT, download), CT)


def test_one_slice_and_no_dicom_are_refused(download):
    download.ct(left_out=range(1, 10))
    source = found(CT, download)
    with pytest.raises(ValueError, match=r"series .* has one slice; get the whole series again"):
        load_scan(source, CT)
    with open(source.images[0], "wb") as file:
        file.write(b"no DICOM")
    with pytest.raises(ValueError, match=r"1.2.826.1 holds no readable DICOM image; get the series again"):
        load_scan(source, CT)


def test_sheared_series_is_refused(download):
    download.ct(sheared=True)
    with pytest.raises(ValueError, match=r"slices are sheared \(gantry tilt\); resample it"):
        load_scan(found(CT, download), CT)


def test_label_that_lies_as_stored_is_not_flipped(download):
    _, mask, _ = download.ct(flipped=False)
    scan = load_scan(found(CT, download), CT)
    np.testing.assert_array_equal(voxels_of(scan.label), mask)
    (line,) = scan.odd
    assert line.startswith("the label is not flipped in plane as TCIA's are: 100% of the label in soft tissue, ")


@pytest.mark.parametrize("turned", [False, True])
def test_header_places_a_label_where_the_content_does_not_tell(turned):
    affine = np.diag([-0.8, -0.8, 1.5, 1.0])
    image = np.full((6, 8, 4), 40, np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[2, 1, 2] = 1
    stored = nib.Nifti1Image(label, affine)
    if turned:
        stored = stored.as_reoriented(np.array([[0, 1], [1, -1], [2, 1]]))
    (placed, grid), odd = place_label((image, affine), (voxels_of(stored), stored.affine))
    np.testing.assert_array_equal(placed, label)
    np.testing.assert_array_equal(grid, affine)
    assert len(odd) == (not turned)


def test_label_that_nothing_places_is_told():
    image = np.full((6, 8, 4), 40, np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[2, 1, 2] = 1
    (placed, _), (line,) = place_label((image, np.eye(4)), (label, np.diag([2.0, 2, 2, 1])))
    assert placed[2, 6, 2] == 1
    assert line.startswith("neither content nor header says how the label lies: 100% of the label in soft tissue, 100%")
    (_, (line,)) = place_label((image - 1000, np.eye(4)), (label, np.eye(4)))
    assert line == "the label may lie wrong: 0% of the label in soft tissue, 0% the other way; look at it"


def test_label_box_leaves_the_margin_of_the_field_and_keeps_places(download):
    image, mask, affine = download.ct()
    data = replace(CT, label_margin_mm=(1.6, 0.8, 1.5))
    scan = load_scan(found(data, download), data, "label_box")
    low, high = (edge(np.argwhere(mask), axis=0) for edge in (np.min, np.max))
    margin = np.array([2, 1, 1])
    box = tuple(slice(start, stop) for start, stop in zip(low - margin, high + margin + 1, strict=True))
    np.testing.assert_array_equal(voxels_of(scan.image), image[box])
    np.testing.assert_array_equal(voxels_of(scan.label), mask[box])
    np.testing.assert_allclose(scan.image.affine[:3, 3], (affine @ [*(low - margin), 1])[:3], atol=1e-4)


def test_label_box_of_an_atrium_keeps_the_whole_depth(download):
    download.atrium(ATRIA[0])
    data = data_set("left_atrium")
    scan = load_scan(found(data, download), replace(data, label_margin_mm=(0.625, 0.625, np.inf)), "label_box")
    assert scan.image.shape[2] == 12
    assert scan.image.shape[0] < 24


def test_body_box_cuts_away_air(download):
    image, *_ = download.ct()
    scan = load_scan(found(CT, download), CT, "body_box")
    kept = np.argwhere(image > -500)
    assert scan.image.shape == tuple(np.ptp(kept, axis=0) + 1)
    assert scan.label.shape == scan.image.shape


def test_label_box_without_a_label_keeps_the_scan_whole(download):
    download.atrium(ATRIA[0], label=False)
    data = data_set("left_atrium")
    scan = load_scan(found(data, download), data, "label_box")
    assert scan.image.shape == (24, 28, 12)
    assert scan.odd == ["no label, kept as unlabeled", "nothing to crop around, kept whole (crop label_box)"]


@pytest.mark.parametrize(
    ("stored", "written"),
    [(np.uint16, np.int16), (np.int32, np.int16), (np.float64, np.float32), (np.uint8, np.uint8)],
)
def test_images_get_the_smallest_exact_type(tmp_path, stored, written):
    image = np.arange(24, dtype=stored).reshape(2, 3, 4) * (10 if stored != np.uint8 else 1) + stored(200)
    scan = load_scan(nifti_source(tmp_path, image, affine=np.eye(4)), TUMOR)
    assert voxels_of(scan.image).dtype == written
    np.testing.assert_array_equal(voxels_of(scan.image), image)


NAN = np.full((2, 3, 4), np.nan, np.float32)
ONES = np.ones((2, 3, 4), np.uint8)
SHEARED = np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"image": NAN}, "x_flair.nii.gz has NaN or infinite voxels; download it again"),
        ({"image": ONES[0]}, r"x_flair.nii.gz must be 3-D with one number per voxel, got uint8 of shape \(3, 4\)"),
        ({"affine": SHEARED}, "x_flair.nii.gz has axes that are not at right angles, or no finite affine; correct"),
        ({"label": ONES[:, :2]}, r"x_seg.nii.gz has the shape \(2, 2, 4\), its scan \(2, 3, 4\); download both"),
        ({"label_affine": np.diag([1, 1, 2.0, 1])}, "x_seg.nii.gz has another affine than its scan; download both"),
        ({"label": ONES * np.uint8(9)}, "x_seg.nii.gz has the values 9, must be of 0, 1, 2, 3, 4; correct it"),
        ({"label": ONES + np.uint8([[[2], [3], [2]]] * 2)}, "x_seg.nii.gz holds 3 and 4, which two releases use for"),
        ({"label": NAN}, "x_seg.nii.gz has the values nan, must be of 0, 1, 2, 3, 4; correct it"),
        ({"label": np.arange(20, 44, dtype=np.uint8).reshape(2, 3, 4)}, "values 20, 21, 22, 23, 24, ..., must be of"),
    ],
)
def test_bad_scans_are_refused(tmp_path, parts, message):
    source = nifti_source(tmp_path, **{"image": ONES, "label": ONES} | parts)
    with pytest.raises(ValueError, match=message):
        load_scan(source, TUMOR)


def test_damaged_h5_is_refused(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no h5")
    with pytest.raises(ValueError, match=r"x.h5 cannot be read as h5 with image and label \(.*\); download it again"):
        load_scan(Source("x", (str(tmp_path / "x.h5"),)), TUMOR)
