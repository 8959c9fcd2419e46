import base64
import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest
from browser import needs_browser, probe

from llmsegnet_bundle.report import viewer, write_viewer
from llmsegnet_bundle.report.cases import Case

AFFINE = np.array([[0, 0, 1.5, 3], [-1.0, 0, 0, 4], [0, 2.0, 0, 5], [0, 0, 0, 1]])  # axes to P, S, R
# the places of reddish pixels in each plane
RED = """
  document.querySelector(".cross").click();
  const seen = {};
  for (const canvas of document.querySelectorAll("canvas")) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const red = [];
    for (let i = 0; i < data.length; i += 4) if (data[i] > data[i + 2] + 20) red.push(i / 4);
    seen[canvas.id] = [canvas.width, canvas.height, ...red].join(",");
  }
  return seen;
"""


def write(file, voxels, affine=AFFINE):
    nib.save(nib.Nifti1Image(voxels, affine), file)
    return file


def told(page):
    (case,) = json.loads(re.search(r"const cases = (\[.*\]);", page.read_text(encoding="utf-8"))[1])
    return case


def unpacked(volume, shape):
    return np.frombuffer(gzip.decompress(base64.b64decode(volume)), np.uint8).reshape(shape, order="F")


@pytest.fixture
def scan(tmp_path):
    """A scan (P, S, R) of 4 x 5 x 6 voxels with one voxel of mask: R 4, A 2, S 3."""
    image = np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.int16)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 3, 4] = 1
    return write(tmp_path / "a.nii.gz", image), write(tmp_path / "a_seg.nii.gz", mask)


def test_page_holds_scan_masks_and_uncertainty_in_ras_order(scan, tmp_path):
    entropy = np.zeros((4, 5, 6), np.float32)
    entropy[1, 3, 4], entropy[0, 0, 0] = 0.7, 0.35
    page = write_viewer(*scan, tmp_path / "a.html", scan[1], write(tmp_path / "a_entropy.nii", entropy))
    case = told(page)
    assert (case["shape"], case["spacing_mm"], case["start"]) == ([6, 4, 5], [1.5, 1.0, 2.0], [4, 2, 3])
    assert [(layer["name"], layer["kind"]) for layer in case["layers"]] == [
        ("mask", "mask"),
        ("label", "mask"),
        ("uncertainty", "map"),
    ]
    assert np.argwhere(unpacked(case["layers"][0]["voxels"], case["shape"])).tolist() == [[4, 2, 3]]
    numbers = unpacked(case["layers"][2]["voxels"], case["shape"])
    assert (numbers[4, 2, 3], numbers[0, 3, 0]) == (255, 127)
    assert "<title>a</title>" in page.read_text(encoding="utf-8")


def test_viewer_starts_where_mask_and_label_differ_most():
    mask, label = np.zeros((2, 9, 9, 9), np.uint8)
    mask[2:5, 2:5, 2:5] = label[2:5, 2:5, 2:6] = 1
    case = Case(np.zeros((9, 9, 9)), {"prediction": mask, "label": label}, {}, (1, 1, 1))
    assert viewer.viewer_data("a", case, 1000)["start"][2] == 5


def test_large_volume_is_cut_and_thinned_along_its_finest_axis():
    mask = np.zeros((40, 40, 10), np.uint8)
    mask[20, 20, 5] = 1
    case = Case(np.zeros(mask.shape), {"mask": mask}, {}, (5.0, 5.0, 10.0))
    told = viewer.viewer_data("a", case, 1000, around=True)  # 13 x 13 x 7 voxels in all
    assert (told["shape"], told["spacing_mm"]) == ((7, 13, 7), [10.0, 5.0, 10.0])
    assert told["start"] == [3, 6, 3]


def test_masks_of_other_scans_and_other_numbers_are_refused(scan, tmp_path):
    for voxels, affine, match in (
        (np.zeros((4, 5, 5), np.uint8), AFFINE, r"m\.nii lies on another grid than .*a\.nii\.gz"),
        (np.zeros((4, 5, 6), np.uint8), AFFINE + 1, r"m\.nii lies on another grid"),
        (np.full((4, 5, 6), 0.5, np.float32), AFFINE, r"m\.nii must hold classes, whole numbers from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=match):
            write_viewer(scan[0], write(tmp_path / "m.nii", voxels, affine), tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.slow
@needs_browser
def test_browser_draws_the_mask_where_a_radiologist_looks_for_it(scan, tmp_path):
    seen = probe(write_viewer(*scan, tmp_path / "a.html"), RED, tmp_path)
    assert seen["axial"] == f"6,4,{(6 - 1 - 4) + 6 * (4 - 1 - 2)}"  # right on the left, anterior up
    assert seen["coronal"] == f"6,5,{(6 - 1 - 4) + 6 * (5 - 1 - 3)}"  # superior up
    assert seen["sagittal"] == f"4,5,{(4 - 1 - 2) + 4 * (5 - 1 - 3)}"  # anterior left
