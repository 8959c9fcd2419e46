"""A training starts from weights: of pairs and single networks, of other classes, in one file or two."""

import pytest
import torch
from small_networks import BACKBONES, pair, saved, single

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, UNet, VNet
from llmsegnet_bundle.networks.llmsegnet import FUSIONS
from llmsegnet_bundle.networks.start import fingerprint, start_from
from llmsegnet_bundle.networks.weights import halve_weights, write_weights


def same(network, other, but=()):
    """Compare the tensors that are not of the layers `but`, which must differ."""
    theirs = other.state_dict()
    for name, value in network.state_dict().items():
        if not any(part in name for part in but):
            assert torch.equal(value, theirs[name]), name
        elif value.ndim > 1 and name in theirs:
            assert value.shape != theirs[name].shape or not torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_pair_takes_a_pair_but_its_text(backbone, tmp_path, capsys):
    network, other = pair(backbone), pair(backbone, seed=1)
    start_from(network, saved(other, tmp_path / "model.pt"))
    same(network, other, ["text_embedding"])
    count = len(network.state_dict())
    assert capsys.readouterr().out == f"init_from: {count - 2} of {count} tensors are those of {tmp_path}/model.pt\n"


@pytest.mark.parametrize("fusion", FUSIONS)
def test_each_fusion_takes_its_own_and_the_backbone_of_another(fusion, tmp_path, capsys):
    def made(kind, seed):
        torch.manual_seed(seed)
        text = torch.rand(3, 8)
        return LLMSegNetPair(*(LLMSegNet(VNet(base_filters=2), text, kind, (48, 48, 48), 4) for _ in range(2)))

    file = saved(made(fusion, 1), tmp_path / "model.pt")
    network = made(fusion, 0)
    start_from(network, file)
    same(network, made(fusion, 1), ["text_embedding"])
    assert "not taken" not in capsys.readouterr().out
    network = made(FUSIONS[FUSIONS.index(fusion) - 1], 0)
    start_from(network, file)
    for member, other in zip((network.alpha, network.beta), (made(fusion, 1).alpha, made(fusion, 1).beta), strict=True):
        same(member.backbone, other.backbone)
    assert "not taken: alpha.fusion" in capsys.readouterr().out


@pytest.mark.parametrize("backbone", BACKBONES)
def test_other_classes_and_grids_are_told_and_left(backbone, tmp_path, capsys):
    network, other = pair(backbone, classes=3, crop=(32, 32, 32)), pair(backbone, seed=1)
    start_from(network, saved(other, tmp_path / "model.pt"))
    same(network, other, ["text_embedding", "out.", "project.1."])
    (line,) = capsys.readouterr().out.splitlines()
    layers = "{0}.backbone.out, {0}.fusion.project.1"
    assert line.endswith(f"; not taken: {layers.format('alpha')}, {layers.format('beta')}")


def test_other_channels_cost_the_first_layer_alone(tmp_path, capsys):
    network = VNet(4, 2, 2)
    start_from(network, saved(single(seed=1), tmp_path / "model.pt"))
    assert capsys.readouterr().out.splitlines()[0].endswith("; not taken: stem.0")


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("half", [False, True])
def test_single_network_goes_to_alpha_and_beta(backbone, half, tmp_path, capsys):
    network, other = pair(backbone), single(backbone, seed=1)
    file = saved(other, tmp_path / "model.pt")
    if half:
        halve_weights(file, tmp_path / "half.pt")
        file = str(tmp_path / "half.pt")
        other.half().float()
    start_from(network, file)
    for member in (network.alpha, network.beta):
        same(member.backbone, other)
    fusion = "{0}.fusion, {0}.fusion.project.0, {0}.fusion.project.1"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f"; not taken: {fusion.format('alpha')}, {fusion.format('beta')}")
    assert network.alpha.backbone.out.weight.dtype == torch.float32


@pytest.mark.parametrize("given", [lambda a, b: f"[{a}, {b}]", lambda a, b: f"['{a}','{b}']", lambda a, b: [a, b]])
def test_two_single_networks_go_one_to_each(given, tmp_path, capsys):
    network, one, two = pair(), single(seed=1), single(seed=2)
    start_from(network, given(saved(one, tmp_path / "a.pt"), saved(two, tmp_path / "b.pt")))
    same(network.alpha.backbone, one)
    same(network.beta.backbone, two)
    assert f"those of {tmp_path}/a.pt and {tmp_path}/b.pt" in capsys.readouterr().out


def test_of_two_pairs_alpha_gets_the_first_ones_alpha_and_beta_the_second_ones_beta(tmp_path):
    network, one, two = pair(), pair(seed=1), pair(seed=2)
    start_from(network, [saved(one, tmp_path / "a.pt"), saved(two, tmp_path / "b.pt")])
    same(network.alpha, one.alpha, ["text_embedding"])
    same(network.beta, two.beta, ["text_embedding"])


@pytest.mark.parametrize("backbone", BACKBONES)
def test_baseline_takes_alphas_backbone(backbone, tmp_path, capsys):
    network, other = single(backbone), pair(backbone, seed=1)
    start_from(network, saved(other, tmp_path / "model.pt"))
    same(network, other.alpha.backbone)
    assert "not taken" not in capsys.readouterr().out


def test_pair_without_text_takes_the_rest_of_one_with_text(tmp_path, capsys):
    network, other = pair(text=False), pair(seed=1)
    start_from(network, saved(other, tmp_path / "model.pt"))
    same(network, other)
    assert "; no place for: alpha.fusion, alpha.fusion.project.0," in capsys.readouterr().out


def test_nothing_given_leaves_the_network_and_says_nothing(capsys):
    network = single()
    start_from(network, None)
    same(network, single())
    assert capsys.readouterr().out == ""
    assert fingerprint(None) is None


@pytest.mark.parametrize("make", [pair, single])
@pytest.mark.parametrize(
    ("other", "told"),
    [
        (pair(UNet), r"stem\.0\.weight is missing"),
        (single(UNet), r"stem\.0\.weight is missing"),
        (single(filters=3), r"stem\.0\.weight is \[3, 1, 3, 3, 3\], here \[2, 1, 3, 3, 3\]"),
        (torch.nn.Linear(2, 2), r"stem\.0\.weight is missing"),
    ],
)
def test_weights_of_which_nothing_fits_are_refused(make, other, told, tmp_path):
    network = make()
    file = saved(other, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=rf"^init_from: nothing in .*model\.pt fits this VNet \(.*{told}\)"):
        start_from(network, file)
    same(network, make())


def test_refusal_names_the_backbone_that_the_weights_are_of(tmp_path):
    settings = {"settings": {"backbone": "llmsegnet_bundle.networks.UNet"}}
    write_weights(single(UNet).state_dict(), tmp_path / "model.pt", settings)
    with pytest.raises(ValueError, match=r"nothing in .*model\.pt \(of a UNet\) fits this VNet"):
        start_from(pair(), str(tmp_path / "model.pt"))


def test_second_file_that_does_not_fit_is_named(tmp_path):
    files = [saved(single(), tmp_path / "a.pt"), saved(single(UNet), tmp_path / "b.pt")]
    with pytest.raises(ValueError, match=r"nothing in .*b\.pt fits this VNet \(beta\.backbone\.stem\.0\.weight is"):
        start_from(pair(), files)


def test_files_that_cannot_be_taken_are_refused(tmp_path):
    a, b = (saved(single(), tmp_path / f"{name}.pt") for name in "ab")
    for network, files, told in (
        (single(), [a, b], "must be one file, or two for alpha and beta, got .*a.pt, .*b.pt"),
        (pair(), [a, b, a], "must be one file, or two"),
        (pair(), str(tmp_path / "none.pt"), "none.pt does not exist"),
        (pair(), f"[{a},{tmp_path}/none.pt]", "none.pt does not exist"),
    ):
        with pytest.raises(ValueError, match=f"^init_from: .*{told}"):
            start_from(network, files)
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"^init_from: .*damaged\.pt holds no weights"):
        start_from(pair(), str(tmp_path / "damaged.pt"))


def test_fingerprint_names_the_content_of_each_file(tmp_path):
    a, b = (saved(single(seed=seed), tmp_path / f"{seed}.pt") for seed in (0, 1))
    assert fingerprint(f"[{a},{b}]") == {a: file_sha256(a), b: file_sha256(b)}
    with pytest.raises(ValueError, match=r"init_from: .*none\.pt does not exist"):
        fingerprint(str(tmp_path / "none.pt"))
