"""The report as a person sees it: opened in headless Chromium."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from llmsegnet_bundle.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
# what a test wants to know, written where --dump-dom shows it
PROBE = """<script>addEventListener("load", () => {
  const order = () => [...document.querySelectorAll("table.sortable tbody tr")].map((row) => row.cells[0].textContent);
  const headers = [...document.querySelectorAll("table.sortable th button")];
  const dice = headers.find((button) => button.textContent === "dice");
  const seen = {};
  dice.click(); seen.rising = order().join(",");
  dice.click(); seen.falling = order().join(",");
  headers[0].click(); seen.name = order().join(",");
  const images = [...document.images];
  seen.images = images.length;
  seen.broken = images.filter((image) => !image.naturalWidth).length;
  seen.wide = document.documentElement.scrollWidth - innerWidth;
  for (const [name, value] of Object.entries(seen)) document.body.setAttribute("data-" + name, value);
})</script>"""


@pytest.fixture(scope="module")
def report(run_dir, baseline_dir, tmp_path_factory):
    return write_report(run_dir, baseline_dir, output=tmp_path_factory.mktemp("page") / "report.html")


def browse(file: Path, *options):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=5000", *options]
        done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("width", [1280, 500])
def test_page_shows_its_pictures_and_sorts(report, width, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(report.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"))
    page = browse(probed, f"--window-size={width},900", "--dump-dom")
    seen = dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", page)[0]))
    falling = [f"PHANTOM_{index:03d}" for index in range(4)]  # the masks are eroded, the more the later
    assert seen["falling"].split(",") == sorted(seen["rising"].split(","), key=seen["rising"].split(",").index)[::-1]
    assert seen["falling"].split(",")[0] == "PHANTOM_000"
    assert seen["name"].split(",") == falling
    assert int(seen["images"]) > 30
    assert seen["broken"] == "0"
    assert int(seen["wide"]) <= 0  # tables scroll within their box, the page does not


@pytest.mark.parametrize("width", [1280, 500])
def test_page_is_drawn(report, width, tmp_path):
    picture = tmp_path / "page.png"
    browse(report, f"--window-size={width},3000", f"--screenshot={picture}")
    with Image.open(picture) as screen:
        assert screen.size == (width, 3000)
        assert len(screen.convert("RGB").getcolors(1 << 24)) > 500


def test_console_errors_are_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<script>throw new Error('no')</script>")
    with pytest.raises(AssertionError, match="CONSOLE"):
        browse(page, "--dump-dom")
