"""The documentation site: its pages, its figures, and the commands of its tutorials."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from bundle_runs import ROOT

DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))


def pages(nav):
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else pages(value)


def test_every_page_is_in_the_navigation():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} <= set(pages(site["nav"]))


@pytest.mark.slow
def test_figures_of_the_method_are_drawn(tmp_path):
    subprocess.run([sys.executable, DOCS / "site/figures.py", tmp_path], check=True)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DOCS / "figures").iterdir()}


@pytest.mark.long
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_commands_of_a_tutorial_run(page, tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("python", "-W ignore"), ("llmsegnet-bundle", "-W ignore -m llmsegnet_bundle")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        (programs / name).chmod(0o755)
    told = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    (tmp_path / "work").mkdir()
    script = "set -euo pipefail\n" + "\n".join(blocks)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path / "work", env=os.environ | told, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-5000:]
