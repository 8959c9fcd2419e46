import shutil
from pathlib import Path

import pytest
from bundle_runs import BUNDLE, BUNDLES, run

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.sharing import package_bundle
from llmsegnet_bundle.sharing.fetching import download_bundle
from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantom(folder, scans=4, size=(56, 56, 52), spacing_mm=0.625)
    return folder


@pytest.fixture(scope="session")
def trained_copy(phantoms):
    """A function that copies a bundle into a folder and gives it weights by one step of training."""

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


@pytest.fixture(scope="session", params=BUNDLES, ids=lambda bundle: bundle.name)
def zoo_copy(request, trained_copy, tmp_path_factory) -> tuple[Path, Path]:
    """The zip of a bundle that one step trained, and its folder unpacked."""
    place = tmp_path_factory.mktemp("packed")
    file = package_bundle(trained_copy(request.param, place), place / "zips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmsegnet_bundle.sharing.fetching.cache", lambda: place / "unpacked")
        return file, download_bundle(request.param.name, str(file), file_sha256(file))
