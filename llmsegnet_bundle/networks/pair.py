"""The co-trained pair of networks as one module."""

import math
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DEPLOYS = ("mean", "alpha", "beta")


class LLMSegNetPair(nn.Module):
    """Networks alpha and beta as one: `forward` gives what is deployed.

    Args:
        alpha: LLMSegNet that sees the crops as they are.
        beta: LLMSegNet of the same shape that sees CutMixed crops.
        deploy: "mean" for the log of the mean of both networks' probabilities (softmax and argmax are then those
            of the mean), "alpha" or "beta" for the logits of one.

    Shape:
        image (B, 1, H, W, D) -> logits (B, C, H, W, D).

    Raises:
        ValueError: when `deploy` is unknown.
    """

    def __init__(self, alpha: nn.Module, beta: nn.Module, deploy: str = "mean") -> None:
        super().__init__()
        if deploy not in DEPLOYS:
            raise ValueError(f"deploy: must be mean, alpha or beta, got {deploy!r}")
        self.alpha = alpha
        self.beta = beta
        self.deploy = deploy

    def forward(self, image: Tensor, text: Optional[Tensor] = None) -> Tensor:  # noqa: UP045  TorchScript
        """Return what is deployed; `text` as of `LLMSegNet.embedding`."""
        if self.deploy == "alpha":
            return self.alpha(image, text)
        if self.deploy == "beta":
            return self.beta(image, text)
        alpha = F.log_softmax(self.alpha(image, text).float(), dim=1)
        beta = F.log_softmax(self.beta(image, text).float(), dim=1)
        return torch.logaddexp(alpha, beta) - math.log(2)


def check_processes(network: nn.Module, ranks: int) -> None:
    """Raise ValueError when several processes are to train what is no pair: their config wraps alpha and beta."""
    if ranks > 1 and not hasattr(network, "alpha"):
        raise ValueError("multi_gpu_train.json: goes over train.json; train the labeled-only baseline in one process")
