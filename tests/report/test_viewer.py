import base64
import gzip
import json
import re
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.report import viewer, write_viewer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AFFINE = np.array([[0, 0, 1.5, 3], [-1.0, 0, 0, 4], [0, 2.0, 0, 5], [0, 0, 0, 1]])  # axes to P, S, R
# what is drawn, written where --dump-dom shows it
PROBE = """<script>const timer = setInterval(() => {
  if (!document.body.dataset.ready) return;
  clearInterval(timer);
  for (const canvas of document.querySelectorAll("canvas")) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const red = [];
    for (let i = 0; i < data.length; i += 4) if (data[i] > data[i + 2] + 20) red.push(i / 4);
    document.body.setAttribute("data-" + canvas.id, [canvas.width, canvas.height, ...red].join(","));
  }
}, 50)</script>"""


def write(file, voxels, affine=AFFINE):
    nib.save(nib.Nifti1Image(voxels, affine), file)
    return file


@pytest.fixture
def scan(tmp_path):
    """A scan (P, S, R) of 4 x 5 x 6 voxels with one voxel of mask: R 4, A 2, S 3."""
    image = np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.int16)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 3, 4] = 1
    return write(tmp_path / "a.nii.gz", image), write(tmp_path / "a_seg.nii.gz", mask)


def test_page_holds_scan_and_masks_in_ras_order(scan, tmp_path):
    page = write_viewer(*scan, tmp_path / "a.html", label=scan[1]).read_text(encoding="utf-8")
    told = json.loads(re.search(r"const told = (\{.*\});", page)[1])
    assert (told["shape"], told["spacing_mm"], told["start"]) == ([6, 4, 5], [1.5, 1.0, 2.0], [4, 2, 3])
    assert [layer["name"] for layer in told["layers"]] == ["mask", "label"]
    voxels = np.frombuffer(gzip.decompress(base64.b64decode(told["layers"][0]["voxels"])), np.uint8)
    assert np.argwhere(voxels.reshape(told["shape"], order="F")).tolist() == [[4, 2, 3]]
    assert "http" not in page
    assert "<title>a</title>" in page


def test_large_scan_is_thinned(scan, tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "LARGEST_SIDE", 3)
    page = write_viewer(*scan, tmp_path / "a.html").read_text(encoding="utf-8")
    told = json.loads(re.search(r"const told = (\{.*\});", page)[1])
    assert (told["shape"], told["spacing_mm"]) == ([3, 2, 3], [3.0, 2.0, 4.0])


def test_masks_of_other_scans_and_other_numbers_are_refused(scan, tmp_path):
    for voxels, affine, told in (
        (np.zeros((4, 5, 5), np.uint8), AFFINE, r"m\.nii lies on another grid than .*a\.nii\.gz"),
        (np.zeros((4, 5, 6), np.uint8), AFFINE + 1, r"m\.nii lies on another grid"),
        (np.full((4, 5, 6), 0.5, np.float32), AFFINE, r"m\.nii must hold classes, whole numbers from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=told):
            write_viewer(scan[0], write(tmp_path / "m.nii", voxels, affine), tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_browser_draws_the_mask_where_a_radiologist_looks_for_it(scan, tmp_path):
    page = write_viewer(*scan, tmp_path / "a.html")
    page.write_text(page.read_text(encoding="utf-8").replace("</html>", PROBE + "</html>"), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    seen = dict(re.findall(r'data-(\w+)="([\d,]*)"', done.stdout))
    assert seen["axial"] == f"6,4,{(6 - 1 - 4) + 6 * (4 - 1 - 2)}"  # right on the left, anterior up
    assert seen["coronal"] == f"6,5,{(6 - 1 - 4) + 6 * (5 - 1 - 3)}"  # superior up
    assert seen["sagittal"] == f"4,5,{(4 - 1 - 2) + 4 * (5 - 1 - 3)}"  # anterior left
