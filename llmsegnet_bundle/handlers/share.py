"""How much of the networks' answers comes from their text."""

from collections.abc import Mapping

import torch
from ignite.engine import Events
from monai.engines import Workflow
from torch import Tensor, nn

from llmsegnet_bundle.networks import LLMSegNet


class TextShare:
    """Add to the output of each epoch's last step, per network, how much its text does, for TensorBoard and the report.

    `NAME_text_share` is ||l - l0|| / ||l|| on the step's first crop, of the logits l and those l0 of the same network
    with its balance at 0, that is without text; `NAME_balance` is the learned balance, the mean where a fusion has
    several. Attach it before what logs the output. Networks without text get neither.

    Args:
        networks: name -> `LLMSegNet`, or one wrapped for several processes; each is left as it is.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        bare = {name: getattr(net, "module", net) for name, net in networks.items()}
        self.networks = {name: net for name, net in bare.items() if isinstance(net, LLMSegNet) and net.has_text}

    def attach(self, engine: Workflow) -> None:
        if self.networks:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Workflow) -> None:
        if engine.state.iteration % engine.state.epoch_length:
            return
        image = engine.state.batch["image"][:1].to(engine.state.device)
        for name, network in self.networks.items():
            engine.state.output[0][f"{name}_text_share"] = text_share(network, image)
            engine.state.output[0][f"{name}_balance"] = torch.stack(_balances(network)).mean().item()


@torch.no_grad()
def text_share(network: LLMSegNet, image: Tensor) -> float:
    """Return ||l - l0|| / ||l|| of an image (B, K, H, W, D), in evaluation mode."""
    training, balances = network.training, _balances(network)
    kept = [balance.clone() for balance in balances]
    network.eval()
    try:
        with_text = network(image)  # float32: rounding to bfloat16 would hide a small share
        for balance in balances:
            balance.zero_()
        without = network(image)
    finally:
        for balance, value in zip(balances, kept, strict=True):
            balance.copy_(value)
        network.train(training)
    return float((with_text - without).norm() / with_text.norm())


def _balances(network: nn.Module) -> list[Tensor]:
    return [value.data for name, value in network.named_parameters() if name.endswith("balance")]
