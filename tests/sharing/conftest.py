import shutil

import pytest
from bundle_runs import BUNDLE, run

from llmsegnet_bundle.phantom import write_phantom


@pytest.fixture(scope="session")
def trained_copy(tmp_path_factory):
    """A function that copies a bundle into a folder and gives it weights by one step of training."""
    phantoms = tmp_path_factory.mktemp("phantoms")
    write_phantom(phantoms, scans=3, size=(56, 56, 52), spacing_mm=0.625)

    def train(bundle, folder):
        copy = folder / bundle.name
        shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns("models", "eval", "cache"))
        places = {"ckpt_dir": str(copy / "models"), "cache_dir": "none"}
        run(["train"], phantoms, folder / "training", copy, max_steps=1, validation=0, targets="crop", **places)
        (copy / "models/last.pt").unlink()
        return copy

    return train


@pytest.fixture(scope="session")
def left_atrium(trained_copy, tmp_path_factory):
    return trained_copy(BUNDLE, tmp_path_factory.mktemp("trained"))
