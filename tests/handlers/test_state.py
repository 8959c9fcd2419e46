import random

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmsegnet_bundle.handlers.state import BEFORE, random_states, read_state, set_random_states, write_state
from llmsegnet_bundle.networks import LLMSegNet, VNet
from llmsegnet_bundle.networks.llmsegnet import FUSIONS


def state(step, **changes):
    content = {"step": step, "total_steps": 9, "run": {}, "best_metric": 0.5, "best_metric_epoch": 1}
    return content | {"random": random_states(), "network": {"weight": torch.ones(2)}} | changes


def load(content):
    assert content["network"]["weight"].shape == (2,)
    set_random_states(content["random"])


def fill(path, content):
    torch.save(content, path)


def flip(path):
    fill(path, state(2, network={"weight": torch.full((2,), 1234.5)}))
    path.write_bytes(path.read_bytes().replace(torch.tensor(1234.5).numpy().tobytes(), b"abcd"))


DAMAGES = {
    "0 bytes": (lambda path: path.write_bytes(b""), "unreadable"),
    "a folder": (lambda path: path.mkdir(), "a folder"),
    "a list": (lambda path: fill(path, [1]), "a list"),
    "a text for a step": (lambda path: fill(path, state("2")), "step '2' of 9"),
    "a step too far": (lambda path: fill(path, state(10)), "step 10 of 9"),
    "a NaN metric": (lambda path: fill(path, state(2, best_metric=float("nan"))), "best_metric nan"),
    "no random states": (lambda path: fill(path, state(2, random=None)), "no random states"),
    "infinite weights": (
        lambda path: fill(path, state(2, network={"weight": torch.tensor([float("inf")])})),
        "network is not finite",
    ),
    "other bytes": (flip, "has another checksum"),
    "other weights": (lambda path: fill(path, state(2, network={"weight": torch.ones(3)})), "AssertionError"),
    "no weights": (lambda path: fill(path, state(2, network=[])), "TypeError: list indices"),
    "short random states": (
        lambda path: fill(path, state(2, random=random_states() | {"torch": torch.zeros(3, dtype=torch.uint8)})),
        "RuntimeError: ",
    ),
    "no random state": (lambda path: fill(path, state(2, random=random_states() | {"python": None})), "TypeError"),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_state_is_kept_aside_and_the_one_before_used(damage, told, tmp_path, capsys):
    last = tmp_path / "last.pt"
    write_state(state(1), last)
    write_state(state(2), last)
    assert torch.load(tmp_path / BEFORE, weights_only=True)["step"] == 1
    last.unlink()
    damage(last)
    assert read_state(last, load)["step"] == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert told in line
    assert line.endswith("going on from the one before, of step 1")
    assert len(list(tmp_path.glob("last_damaged_*.pt"))) == 1
    assert read_state(last, load)["step"] == 1
    write_state(state(2), last)
    assert read_state(tmp_path / BEFORE, load)["step"] == 1


def test_damaged_state_without_one_before_is_refused_and_stays(tmp_path):
    last = tmp_path / "last.pt"
    write_state(state(1), last, keep=False)
    last.write_bytes(b"")
    with pytest.raises(ValueError, match="it is damaged: unreadable"):
        read_state(last, load)
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_state_of_another_run_does_not_become_the_one_before(tmp_path):
    last = tmp_path / "last.pt"
    for step in (1, 2):
        write_state(state(step), last)
    write_state(state(0), last, keep=False)
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_random_states_come_back():
    states = random_states()
    drawn = [random.random(), np.random.random(), torch.rand(()).item()]
    set_random_states(states)
    assert [random.random(), np.random.random(), torch.rand(()).item()] == drawn


def take_step(network, optimizer):
    optimizer.zero_grad()
    network(torch.rand(2, 1, 32, 32, 32)).square().mean().backward()  # dropout draws too
    optimizer.step()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_network_of_each_fusion_goes_on_bit_for_bit(fusion, tmp_path):
    torch.manual_seed(0)
    text = F.normalize(torch.randn(1, 3, 8), dim=-1)
    networks = [LLMSegNet(VNet(base_filters=2), text, fusion, crop=(32, 32, 32), hidden=4) for _ in range(2)]
    (network, optimizer), (other, its_optimizer) = (
        (one, torch.optim.SGD(one.parameters(), 0.05, momentum=0.9)) for one in networks
    )
    take_step(network, optimizer)
    states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    write_state(state(1) | states | {"random": random_states()}, tmp_path / "last.pt")
    take_step(network, optimizer)
    kept = read_state(tmp_path / "last.pt", dict)
    other.load_state_dict(kept["network"])
    its_optimizer.load_state_dict(kept["optimizer"])
    set_random_states(kept["random"])
    take_step(other, its_optimizer)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())
