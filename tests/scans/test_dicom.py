import numpy as np
import pytest
from dicom_files import ENHANCED_CT, write_slice, write_slices

from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.dicom import read_series, series_slices
from llmsegnet_bundle.scans.dicom_kinds import is_dicom, other_kind

STORED = np.random.default_rng(0).integers(0, 4000, (6, 5, 7)).astype(np.int16)
AFFINE = np.array([[-0.8, 0, 0, 10], [0, -0.7, 0, -20], [0, 0, 1.5, 5], [0, 0, 0, 1]])


def test_series_is_read_with_its_geometry(tmp_path):
    write_slices(tmp_path / "series", STORED, slope=1, inter=-1000)
    voxels, affine = read_scan(tmp_path / "series")
    np.testing.assert_array_equal(voxels, STORED - 1000)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("first", [(1.0, 0.0), (0.25, 0.0)])
def test_each_slice_has_its_own_slope_and_intercept(first, tmp_path):
    slopes = [first] + [(0.01 * (k + 1), -3.5 * k) for k in range(1, 7)]
    files = write_slices(tmp_path, STORED, lambda k: dict(zip(("slope", "inter"), slopes[k], strict=True)))
    wanted = np.stack([STORED[:, :, k] * slope + inter for k, (slope, inter) in enumerate(slopes)], axis=-1)
    np.testing.assert_allclose(read_series(files)[0], wanted, rtol=1e-5, atol=1e-4)


def test_series_over_midnight_is_one(tmp_path):
    files = write_slices(tmp_path, STORED, lambda k: {"date": "20240131" if k < 3 else "20240201"})
    np.testing.assert_array_equal(read_series(files)[0], STORED)


def test_slices_that_write_their_header_in_other_ways_are_one_series(tmp_path):
    files = write_slices(
        tmp_path, STORED, lambda k: {"thickness": "1.5" if k % 2 else "1.50", "group": "1" if k else "2"}
    )
    np.testing.assert_array_equal(read_series(files)[0], STORED)


def test_localizer_that_shares_the_series_is_named(tmp_path):
    write_slices(tmp_path, STORED)
    write_slice(tmp_path / "loc.dcm", np.zeros((9, 8), np.int16), (0, 0, 0), number=99)
    with pytest.raises(ValueError, match=r"loc\.dcm has the size in pixels \(8, 9\), others \(6, 5\); leave it out or"):
        read_scan(tmp_path)


@pytest.mark.parametrize("series", ["1.2.826.0.1", "1.2.826.0.7"])
@pytest.mark.parametrize(
    ("sop_class", "kind"), [("481.3", "an RT structure set"), ("88.11", "a report"), ("66.4", "a segm")]
)
def test_files_beside_a_series_that_hold_no_scan_are_left_out(sop_class, kind, series, tmp_path):
    write_slices(tmp_path, STORED)
    other = tmp_path / "other.dcm"
    write_slice(
        other, np.zeros((3, 5, 6), np.int16), (0, 0, 0), series=series, kind=f"1.2.840.10008.5.1.4.1.1.{sop_class}"
    )
    np.testing.assert_array_equal(read_scan(tmp_path)[0], STORED)
    assert not is_dicom(other)
    assert other_kind(other).startswith(kind)
    assert other_kind(tmp_path / "000.dcm") is None


def test_files_without_a_preamble_are_read(tmp_path):
    write_slices(tmp_path / "series", STORED, preamble=False)
    assert is_dicom(tmp_path / "series" / "000.dcm")
    np.testing.assert_array_equal(read_scan(tmp_path / "series")[0], STORED)


def test_index_and_other_files_are_no_dicom(tmp_path):
    write_slices(tmp_path, STORED)
    (tmp_path / "000.dcm").rename(tmp_path / "DICOMDIR")
    (tmp_path / "notes.txt").write_text("no scan")
    assert not any(is_dicom(tmp_path / name) for name in ("DICOMDIR", "notes.txt", "none.dcm"))


def only(odd, **settings):
    return lambda k: settings if k == odd else {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (only(3, axes=((0, 1, 0), (1, 0, 0))), r"021\.dcm is turned against the others; leave it out or get"),
        (only(0, axes=((0.8, 0.6, 0), (-0.6, 0.8, 0))), r"000\.dcm is turned against the others"),
        (only(2, axes=((-1, 0, 0), (0, 1, 0))), r"014\.dcm is mirrored against the others"),
        (only(6, axes=((-1, 0, 0), (0, -1, 0))), r"042\.dcm is turned against the others"),
        (only(3, axes=((0.9998, 0.02, 0), (-0.02, 0.9998, 0))), r"021\.dcm is turned against the others"),
        (only(2, spacing_mm=(0, 0)), r"014\.dcm has the pixel spacing 0\\0, must be above 0; get the series again"),
        (only(2, spacing_mm=None), r"014\.dcm has no pixel spacing, so that it has no place in space; get the series"),
        (lambda k: {"axes": None}, r"\.dcm has no orientation, so that it has no place in space"),
        (only(2, place_mm=None), r"014\.dcm has no position, so that it has no place in space"),
        (only(3, spacing_mm=(1.4, 1.6)), r"021\.dcm has the pixel spacing in mm \(1\.6, 1\.4\), others \(0\.8, 0\.7\)"),
        (only(3, place_mm=(-10, 20, 8)), r"0 mm between .*014\.dcm and .*021\.dcm|3 mm between .*021\.dcm"),
        (lambda k: {"place_mm": (-10, 20 + 0.2 * k, 5 + 1.5 * k)}, r"slices are sheared \(gantry tilt\); resample"),
        (only(3, series="1.2.826.0.2"), r"2 DICOM series, must be one: .* leave that of the scan alone in its folder"),
    ],
)
def test_slices_that_do_not_fit_are_named(change, message, tmp_path):
    files = write_slices(tmp_path, STORED, change)
    with pytest.raises(ValueError, match=message):
        series_slices(files)


def test_multi_frame_file_is_named_as_such(tmp_path):
    write_slice(tmp_path / "e.dcm", np.moveaxis(STORED, -1, 0).transpose(0, 2, 1), (0, 0, 0), kind=ENHANCED_CT)
    with pytest.raises(ValueError, match=r"e\.dcm is a multi-frame \(Enhanced\) DICOM file of 7 frames; convert it to"):
        series_slices([str(tmp_path / "e.dcm")])


def test_damaged_slice_is_named(tmp_path):
    files = write_slices(tmp_path, STORED)
    (tmp_path / "007.dcm").write_bytes((tmp_path / "007.dcm").read_bytes()[:300])
    with pytest.raises(ValueError, match=r"007\.dcm is a damaged DICOM file"):
        series_slices(files)


def test_folder_of_damaged_files_is_named(tmp_path):
    (tmp_path / "a.dcm").write_text("no scan")
    with pytest.raises(ValueError, match="holds no readable DICOM image; get the series again"):
        series_slices([str(tmp_path / "a.dcm")])
