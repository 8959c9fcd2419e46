"""MONAI Label for real. Its environment takes minutes to make and 3 GB, its trainings minutes: too long for CI."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_scripted_annotator_gets_through(tmp_path):
    subprocess.run(["make", "label"], cwd=ROOT, check=True)
    python = ROOT / ".venv-label/bin/python"
    subprocess.run(
        [python, "-m", "llmsegnet_bundle", "label_demo", tmp_path / "demo"], check=True
    )  # refuses what is wrong
    seen = {one["step"]: one["seen"] for one in json.loads((tmp_path / "demo/seen.json").read_text(encoding="utf-8"))}
    assert {
        "infer left_atrium",
        "infer pancreas_ct",
        "infer brats19",
        "batch infer brats19",
        "undo",
        "stop",
    } <= seen.keys()
