import pytest

from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    # crops of 32 voxels have a bottleneck of 2x2x2, where oneDNN's bfloat16 weight gradients hold uninitialized memory
    monkeypatch.setattr("llmsegnet_bundle.precision.has_bf16", lambda device: False)


@pytest.fixture(scope="session")
def scans(tmp_path_factory):
    """Five phantoms for trainings; not to be changed."""
    folder = tmp_path_factory.mktemp("scans")
    write_phantom(folder, scans=5, size=(56, 56, 52), spacing_mm=0.625)
    return folder
