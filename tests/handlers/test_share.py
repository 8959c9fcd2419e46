"""What the text does in a network is measured, and the network stays as it was."""

import pytest
import torch
from ignite.engine import Events
from monai.engines import Trainer
from torch.nn import functional as F

from llmsegnet_bundle.handlers import TextShare
from llmsegnet_bundle.handlers.share import text_share
from llmsegnet_bundle.networks import LLMSegNet, UNet
from llmsegnet_bundle.networks.llmsegnet import FUSIONS


def network(fusion="spatial", text=True):
    torch.manual_seed(0)
    embedding = F.normalize(torch.randn(3, 8), dim=1) if text else None
    return LLMSegNet(UNet(base_filters=2), embedding, fusion, crop=(32, 32, 32), hidden=4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_share_is_that_of_the_text_and_leaves_the_network_as_it_was(fusion):
    net, image = network(fusion), torch.rand(1, 1, 32, 32, 32)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert 0 < text_share(net, image) < 10
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    for name, value in net.named_parameters():
        if name.endswith("balance"):
            value.data.zero_()
    assert text_share(net, image) == 0


class Steps(Trainer):
    def _iteration(self, engine, batchdata):
        return [{"loss": torch.tensor(1.0)}]


def test_share_is_in_the_output_of_the_last_step_of_an_epoch_of_networks_with_text():
    batch = {"image": torch.rand(2, 1, 32, 32, 32)}
    seen, nets = [], {"alpha": network("decoder"), "beta": network(text=False)}
    trainer = Steps("cpu", 2, [batch] * 4, epoch_length=2, handlers=[TextShare(nets)])
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: seen.append(dict(engine.state.output[0])))
    trainer.run()
    assert [sorted(output) for output in seen] == [["loss"], ["alpha_balance", "alpha_text_share", "loss"]] * 2
    assert seen[1]["alpha_balance"] == 1.0
    assert seen[1]["alpha_text_share"] > 0
