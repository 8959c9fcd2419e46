"""The report as a person sees it, in headless Chromium: pictures, sorting, folded parts, the viewer."""

import nibabel as nib
import numpy as np
import pytest
from browser import browse, needs_browser, probe
from PIL import Image

from llmsegnet_bundle.report import write_report

pytestmark = [pytest.mark.slow, needs_browser]
SEEN = """
  const order = () => [...document.querySelectorAll("table.sortable tbody tr")].map((row) => row.cells[0].textContent);
  const headers = [...document.querySelectorAll("table.sortable th button")];
  const dice = headers.find((button) => button.textContent === "dice");
  const images = [...document.images];
  const seen = {
    images: images.length,
    broken: images.filter((image) => !image.naturalWidth).length,
    wide: document.documentElement.scrollWidth - innerWidth,
    open: document.querySelectorAll("details[open]").length,
    tiles: document.querySelector(".tiles").getBoundingClientRect().top,
  };
  dice.click(); seen.rising = order().join(",");
  dice.click(); seen.falling = order().join(",");
  headers[0].click(); seen.name = order().join(",");
  const pixels = () => document.getElementById("axial").toDataURL();
  const act = (selector, change) => {
    const before = pixels(), control = document.querySelector(selector);
    change(control);
    control.dispatchEvent(new Event("input"));
    return pixels() !== before;
  };
  seen.slider = act("[aria-label=axial]", (slider) => { slider.value = Number(slider.value) + 3; });
  seen.opacity = act(".opacity", (slider) => { slider.value = 90; });
  const boxes = [...document.querySelectorAll(".controls span label")];
  seen.layers = boxes.map((box) => box.textContent.trim()).join(",");
  boxes.forEach((box, index) => {
    const shown = pixels(); box.querySelector("input").click(); seen["box" + index] = pixels() !== shown;
  });
  const other = document.getElementById("sagittal"), place = other.getBoundingClientRect(), shown = pixels();
  const axial = document.querySelector("[aria-label=axial]"), slice = axial.value;
  other.dispatchEvent(new PointerEvent("pointerdown", { clientX: place.left + 2, clientY: place.top + 2 }));
  seen.click = pixels() !== shown && axial.value !== slice;
  return seen;
"""


@pytest.fixture(scope="module")
def report(run_dir, baseline_dir, scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    label = nib.load(scans / "labelsTr/PHANTOM_003.nii.gz")
    entropy = np.abs(np.diff(np.asarray(label.dataobj, np.float32), axis=0, append=0))
    nib.save(nib.Nifti1Image(entropy, label.affine), run_dir / "PHANTOM_003_entropy.nii.gz")
    yield write_report(run_dir, baseline_dir, output=folder / "report.html")
    (run_dir / "PHANTOM_003_entropy.nii.gz").unlink()


def test_page_shows_sorts_and_goes_through_the_slices(report, tmp_path):
    seen = probe(report, SEEN, tmp_path, "--window-size=1280,900")
    assert seen["falling"].split(",")[0] == "PHANTOM_000"  # the masks are eroded, the more the later
    assert seen["rising"].split(",")[-1] == "PHANTOM_000"
    assert seen["name"].split(",") == [f"PHANTOM_{index:03d}" for index in range(4)]
    assert int(seen["images"]) > 20
    assert (seen["broken"], seen["open"]) == ("0", "0")
    assert int(seen["wide"]) <= 0  # tables scroll within their box, the page does not
    assert float(seen["tiles"]) < 900  # the numbers are on the first screen, after the pictures
    assert seen["layers"] == "prediction,label,entropy"
    assert {seen[name] for name in ("slider", "opacity", "box0", "box1", "box2", "click")} == {"true"}


def test_page_is_drawn_on_a_phone(report, tmp_path):
    picture = tmp_path / "page.png"
    browse(report, "--window-size=500,3000", f"--screenshot={picture}")
    with Image.open(picture) as screen:
        assert screen.size == (500, 3000)
        assert len(screen.convert("RGB").getcolors(1 << 24)) > 500


def test_console_errors_are_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<script>throw new Error('no')</script>")
    with pytest.raises(AssertionError, match="CONSOLE"):
        browse(page, "--dump-dom")
