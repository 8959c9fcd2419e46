import copy
import math
from itertools import pairwise

import pytest
import torch
from monai.data import MetaTensor
from monai.data.utils import dense_patch_slices
from monai.inferers import SlidingWindowInferer
from monai.inferers.utils import _get_scan_interval

from llmsegnet_bundle.inference import ProbabilityInferer, window_batch, windows
from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, VNet
from llmsegnet_bundle.precision import fast_layout, fold_batch_norm
from llmsegnet_bundle.tools.benchmark.scan import FieldTestLoop, window_starts


def network(seed=0):
    torch.manual_seed(seed)
    pair = LLMSegNetPair(*(LLMSegNet(VNet(base_filters=4), torch.randn(3, 8), crop=(48, 48, 48)) for _ in range(2)))
    for norm in (module for module in pair.modules() if isinstance(module, torch.nn.BatchNorm3d)):
        torch.nn.init.uniform_(norm.running_mean, -0.2, 0.2)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
    return pair.eval()


def starts(inferer, shape):
    """Return where MONAI's windows start, per side."""
    interval = _get_scan_interval(shape, inferer.window, 3, windows._overlap(inferer.strides(shape), inferer.window))
    boxes = dense_patch_slices(shape, inferer.window, interval)
    return [sorted({box[axis].start for box in boxes}) for axis in range(3)]


def test_windows_start_by_the_rule_of_the_field_for_400_sizes():
    inferer = ProbabilityInferer((112, 112, 80), (18, 18, 4))
    for side in range(400):
        for shape in ((112 + side, 112, 80), (112, 112, 80 + side)):
            wanted = [window_starts(*sizes) for sizes in zip(shape, (112, 112, 80), (18, 18, 4), strict=True)]
            assert starts(inferer, shape) == [sorted(set(axis)) for axis in wanted]


@pytest.mark.parametrize(("word", "longest"), [("half", 56), ("third", 37)])
def test_even_windows_take_no_longer_steps_than_their_part_of_a_window(word, longest):
    inferer = ProbabilityInferer((112, 112, 80), word)
    for side in range(112, 512):
        (found, _, _) = starts(inferer, (side, 112, 80))
        steps = [b - a for a, b in pairwise(found)]
        assert found[0] == 0
        assert found[-1] == side - 112
        assert len(found) == math.ceil((side - 112) / longest) + 1
        assert not steps or max(steps) <= longest
        assert not steps or max(steps) - min(steps) <= len(steps)


def test_folded_batch_norm_gives_the_logits_of_the_plain_network():
    plain, image = network(), torch.rand(2, 1, 48, 48, 48)
    with torch.no_grad():
        folded = fold_batch_norm(plain)
        torch.testing.assert_close(folded(image), plain(image), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm3d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm3d) for module in plain.modules())


def test_fold_refuses_training_mode():
    with pytest.raises(ValueError, match="must be in evaluation mode"):
        fold_batch_norm(network().train())


@pytest.fixture(scope="module")
def trained():
    """A pair that has learned to find what is bright, so that few voxels lie near the threshold."""
    pair = network()
    pair.train()
    adam = torch.optim.Adam(pair.parameters(), lr=0.01)
    for _ in range(25):
        image = blobs((2, 1, 48, 48, 48))
        adam.zero_grad()
        loss = sum(torch.nn.functional.cross_entropy(net(image), (image[:, 0] > 0).long()) for net in pair.children())
        loss.backward()
        adam.step()
    return pair.eval()


def blobs(shape):
    coarse = torch.randn(*shape[:2], *(side // 12 + 1 for side in shape[2:]))
    return 3 * torch.nn.functional.interpolate(coarse, shape[2:], mode="trilinear")


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(60, 70, 52), (40, 50, 60)], ids=["larger", "smaller"])
def test_fast_path_gives_the_masks_of_the_field_loop(shape, trained, monkeypatch):
    torch.manual_seed(1)
    image = blobs((1, 1, *shape))
    with torch.no_grad():
        wanted = FieldTestLoop((48, 48, 48), (9, 9, 4))(image, trained)
    assert 0.2 < (wanted[0, 1] > 0.5).float().mean() < 0.8
    inferer = ProbabilityInferer((48, 48, 48), (9, 9, 4), "constant")
    masks = [probs[0, 1] > 0.5 for probs in (wanted, inferer(image, fast_layout(copy.deepcopy(trained), "cpu")))]
    assert 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()) >= 0.999
    monkeypatch.setattr("llmsegnet_bundle.precision.has_bf16", lambda device: False)
    torch.testing.assert_close(inferer(image, trained), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"stride_voxel": (5, 3, 4)}, {"weights": "constant"}])
@pytest.mark.parametrize("shape", [(9, 10, 23), (6, 9, 5)], ids=["deep", "flat"])
def test_slabs_are_what_all_windows_stitched_at_once_give(shape, settings):
    def uneven(windows):  # the answer depends on the place in the window
        ramp = torch.arange(windows[0].numel()).reshape(windows[0].shape) / windows[0].numel()
        return torch.cat([windows + ramp, -windows], dim=1)

    image = torch.rand(1, 1, *shape)
    inferer = ProbabilityInferer((8, 8, 8), **settings)
    overlap = windows._overlap(inferer.strides(shape), inferer.window)
    at_once = SlidingWindowInferer((8, 8, 8), overlap=overlap, mode=inferer.mode, sigma_scale=windows.SIGMA)
    wanted = at_once(image, lambda part: uneven(part).softmax(1))
    slabs = list(inferer.slabs(image, uneven))
    assert max(slab.shape[-1] for slab in slabs) <= 8
    torch.testing.assert_close(torch.cat(slabs, dim=-1), wanted)
    torch.testing.assert_close(inferer(image, uneven), wanted)


def test_alternate_asks_each_network_at_every_second_window():
    class Constant(torch.nn.Module):
        def __init__(self, sign):
            super().__init__()
            self.sign = sign

        def forward(self, windows, text=None):
            return torch.cat([-windows, windows], dim=1) * self.sign

    pair = LLMSegNetPair(Constant(0.0), Constant(50.0)).eval()  # probabilities 0.5 and 1
    image = torch.ones(1, 1, 8, 12, 8)
    probs = ProbabilityInferer((4, 4, 4), (4, 4, 4), "constant", alternate=True)(image, pair)[0, 1, ::4, ::4, ::4]
    chessboard = torch.tensor([[[(x + y + z) % 2 for z in range(2)] for y in range(3)] for x in range(2)])
    torch.testing.assert_close(probs, 1 - chessboard / 2)
    alone = ProbabilityInferer((8, 12, 8), alternate=True)(image, pair)[0, 1]
    torch.testing.assert_close(alone, torch.full_like(alone, 0.75))


def test_alternate_asks_all_windows_of_a_network_in_one_pass():
    passes = []

    class Counted(torch.nn.Module):
        def forward(self, windows, text=None):
            passes.append(len(windows))
            return torch.cat([-windows, windows], dim=1)

    pair = LLMSegNetPair(Counted(), Counted()).eval()
    ProbabilityInferer((4, 4, 4), (4, 4, 4), alternate=True, batch=3)(torch.rand(1, 1, 12, 8, 8), pair)
    assert passes == [3] * 4  # of 6 windows in each of 2 rows


class OnCard(torch.Tensor):
    """A tensor that says it lies on a GPU."""

    is_cuda = property(lambda self: True)


def test_windows_are_stitched_on_the_cpu_where_a_card_has_no_room(monkeypatch):
    image, inferer = torch.rand(1, 1, 8, 8, 20), ProbabilityInferer((8, 8, 8))
    pair = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 1)).eval()
    wanted = inferer(image, pair)
    stitch_all, tries = SlidingWindowInferer.__call__, []

    def full_card(self, *args, **kwargs):
        tries.append(self.cpu_thresh)
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return stitch_all(self, *args, **kwargs)

    monkeypatch.setattr(SlidingWindowInferer, "__call__", full_card)
    found = inferer(image.as_subclass(OnCard), pair)
    torch.testing.assert_close(found.as_subclass(torch.Tensor), wanted)
    assert tries == [None] + [8 * 8 * 8 - 1] * 4  # the rows after the first go to the CPU at once


@pytest.mark.parametrize("own", ["mean", "alpha"])
def test_answer_is_of_whom_it_is_asked(own):
    pair, image = network(), torch.rand(1, 1, 32, 32, 32)
    pair.deploy = own
    answers = {
        who: ProbabilityInferer((32, 32, 32), deploy=who)(image, pair) for who in (None, "mean", "alpha", "beta")
    }
    members = ProbabilityInferer((32, 32, 32), members=True, deploy="alpha")(image, pair)
    torch.testing.assert_close(torch.cat([answers["alpha"], answers["beta"]], dim=1), members)
    torch.testing.assert_close(answers["mean"], (answers["alpha"] + answers["beta"]) / 2)
    torch.testing.assert_close(answers[None], answers[own])


def test_alternate_answers_with_the_mean_alone():
    with pytest.raises(ValueError, match="alternate: must be False when deploy is beta"):
        ProbabilityInferer((32, 32, 32), alternate=True, deploy="beta")


def test_alternate_needs_a_pair():
    with pytest.raises(ValueError, match="alternate needs a network with alpha and beta, got VNet"):
        ProbabilityInferer((48, 48, 48), alternate=True)(torch.zeros(1, 1, 48, 48, 48), VNet(base_filters=2).eval())


def test_answer_keeps_the_geometry_and_may_be_written_to():
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.rand(1, 1, 48, 48, 48), affine=affine)
    probs = ProbabilityInferer((48, 48, 48))(image, network())
    torch.testing.assert_close(probs.affine, affine)
    probs += 1


def test_windows_a_pass_follow_the_free_memory(monkeypatch):
    voxels = 112 * 112 * 80
    for free, count in ((0, 1), (8.1 * voxels, 2), (1e6 * voxels, windows.MOST_WINDOWS)):
        monkeypatch.setattr(windows, "free_bytes", lambda device, free=free: int(free * windows.BYTES_PER_VOXEL))
        assert window_batch((112, 112, 80), "cpu") == count
