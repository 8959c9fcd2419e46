"""Networks small enough for a test."""

import torch

from llmsegnet_bundle.networks import LLMSegNet, LLMSegNetPair, UNet, VNet

BACKBONES = [VNet, UNet]


def pair(backbone=VNet, text=True, classes=2, filters=2, crop=(48, 48, 48), seed=0):
    torch.manual_seed(seed)
    embedding = torch.rand(3, 8) if text else None
    one, two = (LLMSegNet(backbone(1, classes, filters), embedding, crop=crop, hidden=4) for _ in range(2))
    return LLMSegNetPair(one, two)


def single(backbone=VNet, classes=2, filters=2, seed=0):
    torch.manual_seed(seed)
    return backbone(1, classes, filters)


def saved(network, file):
    torch.save(network.state_dict(), file)
    return str(file)
