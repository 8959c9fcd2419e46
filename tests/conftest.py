import pytest


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    # crops of 32 voxels have a bottleneck of 2x2x2, where oneDNN's bfloat16 weight gradients hold uninitialized memory
    monkeypatch.setattr("llmsegnet_bundle.precision.has_bf16", lambda device: False)
