"""The wheel as a user gets it: it brings left_atrium with its weights, and segments without a checkout or a network."""

import os
import subprocess
import sys
import sysconfig
import venv

import nibabel as nib
import numpy as np
import pytest
from bundle_runs import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("source", ["checkout", "sdist"])
def test_installed_wheel_segments_offline_and_outside_of_a_checkout(source, tmp_path):
    def call(*command, cwd=tmp_path):
        names = ("PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
        alone = {name: os.environ[name] for name in names if name in os.environ}
        alone |= {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=alone)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pip = (sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check")
    if source == "sdist":
        build = "import sys, setuptools.build_meta as build; build.build_sdist(sys.argv[1])"
        call(sys.executable, "-c", build, tmp_path, cwd=ROOT)
    (built_from,) = [ROOT] if source == "checkout" else tmp_path.glob("*.tar.gz")
    call(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", tmp_path, built_from)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    call(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel)
    packages = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    with open(os.path.join(packages, "dependencies.pth"), "w") as file:  # all but this package
        file.write(sysconfig.get_path("purelib") + "\n")

    found = call(python, "-c", "from llmsegnet_bundle.sharing import find_bundle; print(find_bundle('left_atrium'))")
    assert found.strip() == f"{packages}/llmsegnet_bundle/shipped/left_atrium"
    image = np.random.default_rng(0).integers(0, 300, (40, 36, 32)).astype(np.int16)
    nib.save(nib.Nifti1Image(image, np.diag([1.25, 1.25, 1.25, 1])), tmp_path / "scan.nii.gz")
    assert call(tmp_path / "venv/bin/llmsegnet-bundle", "segment", "scan.nii.gz", "masks", "--device", "cpu") == ""
    assert nib.load(tmp_path / "masks/scan_seg.nii.gz").shape == image.shape
