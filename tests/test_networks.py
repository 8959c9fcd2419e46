import pytest
import torch
from torch import nn
from torch.nn import functional as F

from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, UNet, VNet, plan_levels
from llmsegnet_bundle.networks.llmsegnet import FUSIONS
from llmsegnet_bundle.precision import fast_layout, fold_batch_norm

THICK = plan_levels((64, 64, 8), (1.5, 1.5, 10))._asdict()


def small(fusion="spatial", text=(3, 8), backbone=VNet, **levels):
    torch.manual_seed(0)
    embedding = F.normalize(torch.randn(text), dim=-1) if text else None
    classes = text[0] + 1 if text and len(text) == 3 else 2
    network = backbone(out_channels=classes, base_filters=2, **levels)
    return LLMSegNet(network, embedding, fusion, crop=(32, 32, 32), hidden=4)


def scaled(text):
    return (text - text.mean()) / (text.var(unbiased=False) + 1e-5).sqrt()


def instance_vnet(*sizes, **settings):
    return VNet(*sizes, **settings, norm="instance")


NETWORKS = {
    "vnet": lambda: VNet(base_filters=2),
    "vnet with instance norm": lambda: instance_vnet(base_filters=2),
    "unet": lambda: UNet(base_filters=2),
    "unet with text": lambda: small(backbone=UNet),
    "spatial": small,
    "channel": lambda: small("channel"),
    "decoder": lambda: small("decoder"),
    "decoder of a unet": lambda: small("decoder", backbone=UNet),
    "head": lambda: small("head"),
    "no text": lambda: small(text=None),
    "pair": lambda: LLMSegNetPair(small(), small()),
    "unet for thick slices": lambda: small(backbone=UNet, **THICK),
    "pair with instance norm": lambda: LLMSegNetPair(
        *(small("decoder", backbone=instance_vnet, **THICK) for _ in "ab")
    ),
    "pair for thick slices": lambda: LLMSegNetPair(small(**THICK), small("channel", **THICK)),
}


def test_vnet_has_the_parameters_of_the_field():
    assert sum(p.numel() for p in VNet().parameters()) == 9_448_866


def test_unet_has_the_parameters_of_its_formula():
    def convs(narrow, wide):  # two convolutions with bias; instance norm has no parameters
        return 27 * narrow * wide + wide + 27 * wide * wide + wide

    down = sum(convs(narrow, wide) for narrow, wide in ((1, 16), (16, 32), (32, 64), (64, 128), (128, 256)))
    up = sum(convs(wide + narrow, narrow) for narrow, wide in ((128, 256), (64, 128), (32, 64), (16, 32)))
    assert sum(p.numel() for p in UNet().parameters()) == down + up + 2 * 16 + 2


def test_unet_starts_as_kaiming_and_drops_single_elements():
    torch.manual_seed(0)
    network = UNet()
    widest = max((module for module in network.modules() if isinstance(module, nn.Conv3d)), key=lambda m: m.in_channels)
    fan_in = 27 * widest.in_channels
    assert widest.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)
    assert (type(network.dropout), network.dropout.p) == (nn.Dropout, 0.3)


def test_unet_upsamples_trilinearly_and_joins_skips_by_concatenation():
    stage = UNet(base_filters=2).decoder[-1]
    below, skip = torch.randn(1, 4, 2, 2, 2), torch.randn(1, 2, 4, 4, 4)
    up = F.interpolate(below, scale_factor=2, mode="trilinear", align_corners=False)
    torch.testing.assert_close(stage(below, skip), stage.convs(torch.cat([skip, up], dim=1)))


def test_unet_stays_as_it_is_when_batch_norm_is_folded():
    network = small(backbone=UNet).eval()
    folded, image = fold_batch_norm(network), torch.randn(1, 1, 32, 32, 32)
    assert [type(module) for module in folded.modules()] == [type(module) for module in network.modules()]
    assert torch.equal(folded(image), network(image))


@pytest.mark.parametrize(("backbone", "channels_last"), [(VNet, True), (UNet, False), (instance_vnet, False)])
def test_fast_layout_on_a_cpu_is_channels_last_without_instance_norm(backbone, channels_last):
    network = fast_layout(backbone(base_filters=2), "cpu")
    weight = max((p for p in network.parameters() if p.ndim == 5), key=torch.numel)
    assert weight.is_contiguous(memory_format=torch.channels_last_3d) == channels_last


@pytest.mark.parametrize("backbone", [VNet, UNet, instance_vnet])
def test_fast_layout_in_bfloat16_gives_the_output_of_the_plain_way(backbone):
    network = small(backbone=backbone).eval()
    image = torch.randn(1, 1, 48, 48, 48)
    plain = network(image)
    fast = fast_layout(network, "cpu")
    torch.testing.assert_close(fast(image), plain, rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        probs = fast(image).float().softmax(1)
    assert (probs - plain.softmax(1)).abs().mean() < 0.02


@pytest.mark.parametrize("backbone", [VNet, UNet])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 4), (4, 2), (4, 4)])
def test_backbone_takes_any_channels_and_classes(backbone, in_channels, out_channels):
    network = backbone(in_channels, out_channels, base_filters=2)
    assert network(torch.randn(1, in_channels, 32, 32, 32)).shape == (1, out_channels, 32, 32, 32)


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
def test_network_gives_every_parameter_it_trains_a_gradient(make):
    network = make()
    network(torch.randn(2, 1, 32, 32, 32)).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_vnet_leaves_out_gradients_that_batch_norm_makes_zero():
    network = VNet(base_filters=2).double()
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {f"decoder.{i}.up.0.bias" for i in range(4)}
    network.requires_grad_(True)
    network(torch.randn(2, 1, 32, 32, 32, dtype=torch.double)).square().mean().backward()
    for name, p in network.named_parameters():
        if name in frozen:
            assert p.grad.abs().max() < 1e-12 < network.get_parameter(name.replace("bias", "weight")).grad.abs().max()


@pytest.mark.parametrize("backbone", [VNet, UNet])
def test_network_refuses_other_sizes(backbone):
    with pytest.raises(ValueError, match=r"multiples of \[16, 16, 16\], got \[40, 32, 32\]"):
        backbone(base_filters=2)(torch.zeros(1, 1, 40, 32, 32))
    with pytest.raises(ValueError, match=r"multiples of \[16, 16, 2\], got \[32, 32, 9\]"):
        backbone(base_filters=2, **THICK)(torch.zeros(1, 1, 32, 32, 9))


def test_instance_norm_answers_each_crop_for_itself_and_batch_norm_for_the_batch():
    dim, bright = torch.randn(1, 1, 32, 32, 32), torch.randn(1, 1, 32, 32, 32) + 5
    for norm, alone in (("instance", True), ("batch", False)):
        network = VNet(base_filters=2, dropout=0, norm=norm)
        together = network(torch.cat([dim, bright]))[:1]
        assert torch.allclose(together, network(dim), atol=1e-4) == alone


def test_instance_norm_refuses_one_voxel_and_batch_norm_takes_it_in_evaluation():
    for backbone in (UNet, instance_vnet):
        with pytest.raises(ValueError, match=r"leave at least 2 voxels at the bottleneck, got \[16, 16, 16\]"):
            backbone(base_filters=2).eval()(torch.zeros(1, 1, 16, 16, 16))
    assert VNet(base_filters=2).eval()(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)


@pytest.mark.parametrize("backbone", [VNet, UNet])
@pytest.mark.parametrize("size", [(64, 64, 8), (32, 48, 10), (32, 16, 2)])
def test_thick_slices_need_no_padding(backbone, size):
    network = small(backbone=backbone, **THICK).eval()
    skips, bottleneck = network.backbone.encode(torch.randn(1, 1, *size))
    assert bottleneck.shape == (1, 32, *network.backbone.bottleneck_size(list(size)))
    assert [skip.shape[4] for skip in skips] == [size[2]] * 3 + [size[2] // 2]
    assert network(torch.randn(1, 1, *size)).shape == (1, 2, *size)


def test_kernels_of_1_leave_slices_apart():
    network = VNet(base_filters=2, strides=[(2, 2, 1)] * 4, kernels=[(3, 3, 1)] * 5).eval()
    image = torch.randn(1, 1, 32, 32, 4, requires_grad=True)
    network(image)[..., 1].square().sum().backward()
    assert image.grad.abs().sum(dim=(0, 1, 2, 3)).bool().tolist() == [False, True, False, False]


@pytest.mark.parametrize("backbone", [VNet, UNet])
def test_training_step_in_bfloat16_over_thick_slices_stays_finite(backbone):
    network = fast_layout(small(backbone=backbone, **THICK), "cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(torch.rand(2, 1, 64, 64, 8))
    F.cross_entropy(logits.float(), torch.ones(2, 64, 64, 8, dtype=torch.long)).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("crop", [(48, 48, 48), (64, 16, 8), (48, 48, 2)])
def test_crops_with_3_voxels_along_the_first_side_of_the_bottleneck_train(crop):
    VNet(base_filters=1, **THICK).check_crop(crop)


def test_crops_that_spoil_gradients_are_refused():
    with pytest.raises(ValueError, match=r"the first side must be at least 48, got \[32, 64, 8\]"):
        VNet(base_filters=1, **THICK).check_crop((32, 64, 8))
    with pytest.raises(ValueError, match="multiples of"):
        VNet(base_filters=1).check_crop((64, 64, 8))


@pytest.mark.parametrize("sides", [(3, 1, 1), (3, 2, 2), (4, 4, 1), (7, 7, 2)])
def test_bfloat16_weight_gradients_are_right_where_crops_are_allowed(sides):
    torch.manual_seed(0)
    conv = nn.Conv3d(32, 32, 3, padding=1)
    for _ in range(5):
        torch.full((1 << 20,), float("nan"))  # so that memory that is read and was never written shows
        x, gradient = torch.randn(2, 32, *sides).bfloat16(), torch.randn(2, 32, *sides).bfloat16()
        conv.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            conv(x).backward(gradient)
        wanted = nn.grad.conv3d_weight(x.float(), conv.weight.shape, gradient.float(), padding=1)
        assert (conv.weight.grad - wanted).abs().max() < 0.03 * wanted.abs().max()


def test_spatial_fusion_equals_the_formula():
    network = small().eval()
    bottleneck, e = torch.randn(1, 32, 2, 2, 2), network.embedding(torch.tensor([[0, 1]]))
    w1, w2 = network.fusion.project
    t = torch.sigmoid(w2.weight @ (w1.weight @ e[0, 0] + w1.bias) + w2.bias).reshape(1, 1, 2, 2, 2)
    network.fusion.balance.data.fill_(0.3)
    torch.testing.assert_close(network.fusion.at_bottleneck(bottleneck, e), bottleneck + 0.3 * t)


def test_decoder_fusion_gives_each_stage_gains_and_offsets():
    network = small("decoder").eval()
    e = network.embedding(torch.tensor([[0, 1]]))
    modulations = network.fusion.in_decoder(e)
    assert [m.shape for m in modulations] == [(2, 1, channels, 1, 1, 1) for channels in (16, 8, 4, 2)]
    _, w1, w2 = network.fusion.stages[3].project
    gains = torch.sigmoid(w2.weight @ (w1.weight @ scaled(e[0, 0]) + w1.bias) + w2.bias)
    torch.testing.assert_close(modulations[3].flatten(), gains)
    skips, bottleneck = network.backbone.encode(torch.randn(1, 1, 32, 32, 32))
    plain, moved = (
        network.backbone.decode(bottleneck, skips, m) for m in ([], [m * 0 for m in modulations[:3]] + modulations[3:])
    )
    torch.testing.assert_close(moved, plain * (1 + gains[:2].reshape(1, 2, 1, 1, 1)) + gains[2:].reshape(1, 2, 1, 1, 1))


def test_head_fusion_equals_the_formula():
    network = small("head", (3, 2, 8)).eval()
    e, logits, bottleneck = (
        network.embedding(torch.tensor([[0, 1]])),
        torch.randn(2, 4, 4, 4, 4),
        torch.randn(2, 32, 2, 2, 2),
    )
    features = torch.randn(2, 2, 4, 4, 4)
    network.fusion.balance.data.fill_(0.3)
    told = network.fusion.at_head(logits, features, bottleneck, e)
    torch.testing.assert_close(told[:, 0], logits[:, 0])
    made = network.fusion.project(torch.cat([scaled(e[0, 2]), bottleneck[1].mean(dim=(1, 2, 3))]))
    expected = logits[1, 3] + 0.3 * (made[0] * features[1, 0] + made[1] * features[1, 1] + made[2])
    torch.testing.assert_close(told[1, 3], expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("fusion", FUSIONS)
def test_texts_of_classes_work_with_every_fusion(fusion):
    network = small(fusion, (3, 2, 8))
    second = torch.tensor([[0, 1]])
    assert (network.texts, network.embedding(second).shape, network.embedding().shape) == (2, (1, 3, 8), (1, 3, 8))
    torch.testing.assert_close(network.embedding().norm(dim=-1), torch.ones(1, 3))
    image = torch.randn(2, 1, 32, 32, 32)
    network(image, second).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.fusion.parameters())
    assert network.text_embedding.grad is None
    network.eval()
    assert network(torch.randn(1, 1, 48, 32, 16)).shape == (1, 4, 48, 32, 16)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusion_in_bfloat16_gives_the_output_of_the_plain_way(fusion):
    network, image = small(fusion).eval(), torch.randn(1, 1, 48, 48, 48)
    plain, fast = network(image).softmax(1), fast_layout(network, "cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (fast(image).float().softmax(1) - plain).abs().mean() < 0.02


@pytest.mark.parametrize("fusion", ["channel", "decoder", "head"])
def test_a_new_network_heeds_the_texts_of_unlike_organs(fusion):
    torch.manual_seed(0)
    liver = F.normalize(torch.randn(384), dim=0)
    spleen = F.normalize(liver + 0.75 * F.normalize(torch.randn(384), dim=0), dim=0)  # cosine 0.8, as of real texts
    network = LLMSegNet(
        VNet(base_filters=2, dropout=0), torch.stack([liver, spleen])[:, None, None], fusion, (32, 32, 32), 192
    )
    image = torch.randn(1, 1, 32, 32, 32)
    one, other = (network(image, torch.tensor([[organ, 0]])) for organ in (0, 1))
    assert (one - other).abs().mean() > 0.01 * one.abs().mean()


def test_mean_embedding_is_normalized_again():
    network = small()
    assert torch.linalg.vector_norm(network.embedding()).item() == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(network.embedding(torch.tensor([[0, 2]]))[0, 0], network.text_embedding[2])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("fusion", FUSIONS)
def test_each_image_of_a_batch_is_answered_for_its_own_organ_and_text(fusion):
    torch.manual_seed(0)
    embedding = F.normalize(torch.randn(3, 1, 2, 8), dim=-1)
    network = LLMSegNet(UNet(base_filters=2), embedding, fusion, crop=(32, 32, 32), hidden=4, organ=1).eval()
    image, text = torch.randn(2, 1, 32, 32, 32), torch.tensor([[2, 0], [0, 1]])
    torch.testing.assert_close(network.embedding(text)[:, 0], torch.stack([embedding[2, 0, 0], embedding[0, 0, 1]]))
    both = network(image, text)
    alone = torch.cat([network(image[i : i + 1], text[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-3)  # instance norm magnifies rounding
    assert not torch.allclose(both, network(image, text.flip(0)), rtol=1e-3, atol=1e-3)
    own, first = network(image), network(image, torch.tensor([[0]]))
    torch.testing.assert_close(own, network(image, torch.tensor([[1], [1]])))  # what the network was made for
    assert not torch.allclose(own, first, rtol=1e-3, atol=1e-3)
    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(image), own)
    torch.testing.assert_close(scripted(image, text), both)
    with pytest.raises(ValueError, match="organ must be 0 to 2, the organs of text_embedding, got 3"):
        LLMSegNet(UNet(base_filters=2), embedding, organ=3)


def test_text_travels_with_the_weights():
    assert "text_embedding" in small().state_dict()
    assert "text_embedding" not in small(text=None).state_dict()


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
    for shape in ((4,), (2, 3, 4), (2, 2, 3, 4)):
        with pytest.raises(ValueError, match=r"\(C - 1, P, E\) or \(O, C - 1, P, E\) of 2 classes, got shape"):
            LLMSegNet(VNet(base_filters=2), torch.zeros(shape))
    with pytest.raises(ValueError, match=r"fusion head needs texts of each class, .* got shape \(3, 4\)"):
        LLMSegNet(VNet(out_channels=3, base_filters=2), torch.zeros(3, 4), "head")
    with pytest.raises(ValueError, match="deploy: must be mean, alpha or beta, got 'both'"):
        LLMSegNetPair(small(), small(), "both")
