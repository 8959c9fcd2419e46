import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet


def small(fusion="spatial", text=True):
    torch.manual_seed(0)
    embedding = F.normalize(torch.randn(3, 8), dim=1) if text else None
    return LLMSegNet(VNet(base_filters=2), embedding, fusion, grid=(2, 2, 2), hidden=4)


NETWORKS = {
    "vnet": lambda: VNet(base_filters=2),
    "spatial": small,
    "channel": lambda: small("channel"),
    "no text": lambda: small(text=False),
    "pair": lambda: LLMSegNetPair(small(), small()),
}


def test_vnet_has_the_parameters_of_the_field():
    assert sum(p.numel() for p in VNet().parameters()) == 9_448_866


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("size", [(32, 32, 32), (48, 32, 16)])
def test_network_keeps_the_image_size(make, size):
    assert make().eval()(torch.randn(2, 1, *size)).shape == (2, 2, *size)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_network_scripts_to_the_same_output(make):
    network = make().eval()
    image = torch.randn(1, 1, 48, 32, 32)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_network_gives_every_parameter_a_gradient(make):
    network = make()
    network(torch.randn(2, 1, 32, 32, 32)).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_network_refuses_other_sizes():
    with pytest.raises(ValueError, match="multiples of 16"):
        VNet(base_filters=2)(torch.zeros(1, 1, 40, 32, 32))


def test_spatial_fusion_equals_the_formula():
    network = small().eval()
    bottleneck, e = torch.randn(1, 32, 2, 2, 2), network.embedding(1)
    w1, w2 = network.fusion.project
    t = torch.sigmoid(w2.weight @ (w1.weight @ e + w1.bias) + w2.bias).reshape(1, 1, 2, 2, 2)
    network.fusion.balance.data.fill_(0.3)
    torch.testing.assert_close(network.fusion(bottleneck, e), bottleneck + 0.3 * t)


def test_mean_embedding_is_normalized_again():
    network = small()
    assert torch.linalg.vector_norm(network.embedding()).item() == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(network.embedding(2), network.text_embedding[2])


def test_text_travels_with_the_weights():
    assert "text_embedding" in small().state_dict()
    assert "text_embedding" not in small(text=False).state_dict()


def test_pair_gives_the_log_of_the_mean_probability():
    alpha, beta = small().eval(), small("channel").eval()
    image = torch.randn(1, 1, 32, 32, 32)
    mean = (alpha(image).softmax(1) + beta(image).softmax(1)) / 2
    torch.testing.assert_close(LLMSegNetPair(alpha, beta)(image).softmax(1), mean)
    torch.testing.assert_close(LLMSegNetPair(alpha, beta, "alpha")(image), alpha(image))
    torch.testing.assert_close(LLMSegNetPair(alpha, beta, "beta")(image), beta(image))


def test_networks_refuse_bad_arguments():
    with pytest.raises(ValueError, match="fusion must be"):
        LLMSegNet(VNet(base_filters=2), torch.zeros(1, 4), "sum")
    with pytest.raises(ValueError, match=r"must be \(P, E\)"):
        LLMSegNet(VNet(base_filters=2), torch.zeros(4))
    with pytest.raises(ValueError, match="deploy must be"):
        LLMSegNetPair(small(), small(), "both")
