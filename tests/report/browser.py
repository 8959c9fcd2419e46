"""A page as a person sees it: opened in headless Chromium."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def browse(file: Path, *options):
    """Open a page and return what the browser prints; an error of a script fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=5000", *options]
        done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    return done.stdout


def probe(page: Path, script: str, folder: Path, *options) -> dict[str, str]:
    """Return what a script finds on a page once its viewer has drawn; it is a body that returns a dict."""
    code = f"""<script>const timer = setInterval(() => {{
      if (!document.body.dataset.ready) return;
      clearInterval(timer);
      const found = (() => {{ {script} }})();
      for (const [name, value] of Object.entries(found)) document.body.setAttribute("data-" + name, value);
    }}, 50)</script>"""
    probed = folder / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", code + "</body>"), encoding="utf-8")
    told = browse(probed, "--dump-dom", *options)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", told)[0]))
