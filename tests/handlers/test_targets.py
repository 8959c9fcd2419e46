from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine
from monai.transforms import Compose
from torch import nn

from llmsegnet_bundle.handlers import ScanTargets
from llmsegnet_bundle.loading import TwoStreamDataset, two_stream_loader


class Scans:
    """2 labeled and 3 unlabeled scans in memory."""

    labeled = 2

    def __init__(self):
        self.targets = {}

    def __len__(self):
        return 5

    def image(self, scan):
        return torch.full((1, 4, 4, 4), float(scan))

    def organ(self, scan):
        return None

    def set_target(self, scan, probs):
        self.targets[scan] = probs

    def trust(self, scans):
        self.trusted = scans


def members(image, network):
    alpha = (image + network.bias.detach()).expand(-1, 2, -1, -1, -1)
    return torch.cat([alpha, -alpha], dim=1)  # (1, 2C, H, W, D)


def handler(scans, network, **settings):
    return ScanTargets(scans, network, members, **settings)


def train(targets, network, steps, first=0):
    """Train by adding 1 to the bias; return the target of scan 3 at each step."""
    seen = []

    def step(engine, batch):
        seen.append(targets.dataset.targets[3][0, 0, 0, 0].item() if targets.dataset.targets else None)
        with torch.no_grad():
            network.bias += 1

    engine = Engine(step)
    engine.state.device = torch.device("cpu")
    targets.attach(engine)
    if first:
        engine.load_state_dict({"iteration": first, "max_epochs": 1, "epoch_length": first + steps})
    engine.run([0] * (first + steps), max_epochs=1)
    return seen


def network():
    return nn.Linear(1, 1).requires_grad_(False).eval()


def test_targets_are_renewed_every_so_many_steps_from_the_start_on():
    net = network()
    nn.init.zeros_(net.bias)
    assert train(handler(Scans(), net, every=2, start=1), net, 6) == [None, 4, 4, 6, 6, 8]


def test_only_unlabeled_scans_get_targets():
    scans, net = Scans(), network()
    train(handler(scans, net), net, 1)
    assert set(scans.targets) == {2, 3, 4}


def test_mean_stands_in_both_places():
    scans, net = Scans(), network()
    train(handler(scans, net, kind="scan_mean"), net, 1)
    assert all(probs.abs().max() == 0 for probs in scans.targets.values())
    assert scans.targets[2].shape == (4, 4, 4, 4)


def test_continued_run_learns_from_the_targets_that_it_had():
    net = network()
    nn.init.zeros_(net.bias)
    whole = train(handler(Scans(), net, every=4), net, 6)
    nn.init.zeros_(net.bias)
    first = handler(Scans(), net, every=4)
    seen = train(first, net, 2)
    second = handler(Scans(), net, every=4)
    second.load_state_dict(first.state_dict())
    assert seen + train(second, net, 4, first=2) == whole


def test_teacher_answers_to_the_end(tmp_path):
    net, file = network(), tmp_path / "model.pt"
    nn.init.constant_(net.weight, 0.0)
    torch.save({"weight": torch.zeros(1, 1), "bias": torch.tensor([10.0])}, file)
    assert train(handler(Scans(), net, every=2, teacher=str(file)), net, 5) == [13] * 5


def test_teacher_of_a_crop_is_refused():
    with pytest.raises(ValueError, match="teacher: answers on whole scans"):
        handler(Scans(), network(), kind="crop", teacher="model.pt")


@pytest.mark.parametrize("settings", [{"kind": "crop"}, {"crops": 0}])
def test_the_papers_crops_and_steps_on_labels_alone_need_no_targets(settings):
    scans, net = Scans(), network()
    train(handler(scans, net, **settings), net, 2)
    assert not scans.targets


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "all"}, "targets: must be "),
        ({"every": 0}, "target_every: must"),
        ({"reliable": 0.0}, "reliable: must be above 0, at most 1"),
    ],
)
def test_wrong_settings_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        handler(SimpleNamespace(labeled=0), network(), **wrong)


def sure(share):
    """Return an inferer whose networks give all of a scan the probability of class 1 that `share` has for its value."""

    def answer(image, network):
        ones = share[int(image.max())] * torch.ones_like(image)
        return torch.cat([1 - ones, ones, 1 - ones, ones], dim=1)

    return answer


def test_scans_of_least_doubt_are_drawn_alone():
    scans = Scans()
    inferer = sure({2: 0.7, 3: 0.99, 4: 0.9})
    train(ScanTargets(scans, network(), inferer, reliable=0.5), network(), 1)
    assert scans.trusted == [3, 4]  # half of three, rounded up


def test_each_organ_keeps_its_share_of_scans():
    scans = Scans()
    scans.organ = lambda scan: torch.tensor([0 if scan == 2 else 1])
    inferer = sure({2: 0.6, 3: 0.99, 4: 0.9})
    train(ScanTargets(scans, network(), lambda image, net, organ: inferer(image, net), reliable=0.5), network(), 1)
    assert scans.trusted == [2, 3]


def test_all_scans_are_drawn_unless_a_share_is_asked_for():
    scans = Scans()
    train(handler(scans, network()), network(), 1)
    assert not hasattr(scans, "trusted")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_workers_draw_crops_with_the_targets_of_the_step():
    def seen(workers):
        scans = [{"image": torch.zeros(1, 4, 4, 4), "label": torch.zeros(2, 4, 4, 4)}]
        dataset = TwoStreamDataset(scans, Compose([]), [{"image": torch.ones(1, 4, 4, 4)}] * 2, progress=False)
        net, values = network(), []
        nn.init.zeros_(net.bias)

        def step(engine, batch):
            values.append(batch["target"].max().item() if "target" in batch else None)
            with torch.no_grad():
                net.bias += 1

        engine = Engine(step)
        engine.state.device = torch.device("cpu")
        handler(dataset, net, every=2, start=1).attach(engine)
        engine.run(two_stream_loader(dataset, (1, 1), workers=workers), max_epochs=1, epoch_length=6)
        return values

    assert seen(0) == seen(2) == [None, 2, 2, 4, 4, 6]
