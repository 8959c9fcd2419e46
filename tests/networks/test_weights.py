"""The file that holds a network: read, loaded, halved."""

import pytest
import torch

from llmsegnet_bundle.networks.weights import halve_weights, load_weights


def test_halved_weights_load_into_the_network(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.BatchNorm3d(2))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    halve_weights(tmp_path / "model.pt", tmp_path / "half.pt")
    before = network[0].weight.detach().clone()
    load_weights(network, tmp_path / "half.pt")
    assert network[0].weight.dtype == torch.float32
    torch.testing.assert_close(network[0].weight, before, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="does not exist"):
        load_weights(network, tmp_path / "none.pt")
    with pytest.raises(ValueError, match="does not fit this network"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "half.pt")
    halve_weights(tmp_path / "model.pt", tmp_path / "new/half.pt")
    assert (tmp_path / "new/half.pt").read_bytes()
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    torch.save({"network": network.state_dict(), "step": 3}, tmp_path / "last.pt")
    for name, told in (("damaged", "holds no weights"), ("last", "holds more than weights")):
        with pytest.raises(ValueError, match=f"{name}.pt {told}"):
            halve_weights(tmp_path / f"{name}.pt", tmp_path / "half.pt")
