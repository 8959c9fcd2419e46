"""Puts the bundle that has weights into the wheel; all else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLE = Path("bundles/left_atrium")
PARTS = ("LICENSE", "dataset.yaml", "configs", "docs", "models/model.pt", "models/model.json", "text")


class BuildWithBundle(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # a checkout has it already
            return
        target = Path(self.build_lib) / "llmsegnet_bundle" / "shipped" / BUNDLE.name
        shutil.rmtree(target, ignore_errors=True)
        for part in PARTS:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (BUNDLE / part).is_dir() else shutil.copy
            copy(BUNDLE / part, target / part)


setup(cmdclass={"build_py": BuildWithBundle})
