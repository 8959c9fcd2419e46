import pytest
import torch

from llmsegnet_bundle.networks import LLMSegNet, VNet
from llmsegnet_bundle.text.encoders import encode

ORGAN = {"liver": ["a", "b"]}
CLASSES = {"edema": ["a", "b"], "core": ["c", "d"]}
LIKE = 3 * torch.nn.functional.normalize(torch.randn(2, 6, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.mark.parametrize("kind", ["random", "constant", "one_hot", "random:7", "one_hot:2"])
@pytest.mark.parametrize("groups", [ORGAN, CLASSES])
def test_control_has_the_size_and_length_of_what_it_replaces(kind, groups):
    like = LIKE if groups is ORGAN else LIKE.expand(2, 2, 6)
    vectors = encode(kind, groups, like).vectors
    assert vectors.shape == (like[..., 0].numel(), 6)
    torch.testing.assert_close(torch.linalg.vector_norm(vectors, dim=1), torch.full((len(vectors),), 3.0))
    assert torch.equal(vectors, encode(kind, groups, like).vectors)


def test_controls_are_what_their_names_say():
    like = LIKE.expand(2, 2, 6)
    one_hot = torch.zeros(4, 6)
    one_hot[:2, 1], one_hot[2:, 2] = 3, 3
    torch.testing.assert_close(encode("one_hot:1", CLASSES, like).vectors, one_hot)
    torch.testing.assert_close(encode("constant", CLASSES, like).vectors, torch.full((4, 6), 3 / 6**0.5))
    assert not torch.equal(encode("random", CLASSES, like).vectors, encode("random:1", CLASSES, like).vectors)


def test_network_with_a_control_has_the_parameters_of_the_one_with_text():
    def parameters(text):
        network = LLMSegNet(VNet(base_filters=2), text, crop=(32, 32, 32), hidden=4)
        return sum(p.numel() for p in network.parameters())

    assert {parameters(encode(kind, ORGAN, LIKE).vectors) for kind in ("random", "constant", "one_hot")} == {
        parameters(LIKE)
    }


@pytest.mark.parametrize(
    ("kind", "like", "told"),
    [
        ("random", None, "encoder: random needs --like FILE.safetensors"),
        ("random:x", LIKE, "random:x must be random:SEED, one_hot:PLACE or constant"),
        ("constant:1", LIKE, "constant:1 must be random:SEED, one_hot:PLACE or constant"),
        ("one_hot:6", LIKE, "one_hot:6 needs 7 places, like has vectors of 6"),
        ("random", LIKE[:1], "like: must have as many texts as the texts file, 1 x 2, got 1 x 1"),
        ("random", LIKE.expand(2, 2, 6), "like: must have as many texts as the texts file, 1 x 2, got 2 x 2"),
    ],
)
def test_unfit_controls_are_told_in_one_line(kind, like, told):
    with pytest.raises(ValueError, match=told):
        encode(kind, ORGAN, like)
