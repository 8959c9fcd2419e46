"""Fusions of a text embedding into a network, each with a learnable balance (docs/text.md)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmsegnet_bundle.networks.backbone import modulate


class Fusion(nn.Module):
    """The places of a network where a text may act; at none of them here, each subclass takes one."""

    def at_bottleneck(self, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        """Return the bottleneck (B, K, h, w, d) that the decoder gets; `embedding` (B, C - 1, E), or 1 for 1 or all."""
        return bottleneck

    def in_decoder(self, embedding: Tensor) -> list[Tensor]:
        """Return the modulations of `EncoderDecoder.decode`."""
        return []

    def at_head(self, logits: Tensor, features: Tensor, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        """Return logits (B, C, H, W, D) from those of the network and the features (B, K, H, W, D) they came from."""
        return logits


class SpatialFusion(Fusion):
    """F = x5 + balance * T with T = sigmoid(W2 W1 e), one map over the bottleneck's voxels, as the authors have it.

    T is shared by all channels; for a bottleneck of another size than `grid` it is interpolated trilinearly.

    Args:
        embedding_size: numbers of e, those of all classes in a row.
        grid: (h, w, d) of the bottleneck of the training crop.
        hidden: width between W1 and W2.
    """

    def __init__(self, embedding_size: int, grid: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.grid = [int(side) for side in grid]
        self.project = nn.Sequential(
            nn.Linear(embedding_size, hidden), nn.Linear(hidden, self.grid[0] * self.grid[1] * self.grid[2])
        )
        self.balance = nn.Parameter(torch.ones(()))

    def at_bottleneck(self, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        text = torch.sigmoid(self.project(embedding.flatten(1))).reshape([-1, 1] + self.grid)  # noqa: RUF005  TorchScript
        size = bottleneck.shape[2:]
        if list(size) != self.grid:
            text = F.interpolate(text.float(), size=size, mode="trilinear", align_corners=False)
        return bottleneck + (self.balance * text).to(bottleneck.dtype)


class ChannelFusion(Fusion):
    """F = x5 + balance * (g * x5 + o), a gain g and an offset o per channel, [g, o] = sigmoid(W2 W1 n(e)).

    n scales e to mean 0 and variance 1. Free of the size of the bottleneck.

    Args:
        embedding_size: numbers of e, those of all classes in a row.
        channels: K, the channels of the bottleneck.
        hidden: width between W1 and W2.
    """

    def __init__(self, embedding_size: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            _unit_variance(embedding_size), nn.Linear(embedding_size, hidden), nn.Linear(hidden, 2 * channels)
        )
        self.balance = nn.Parameter(torch.ones(()))

    def modulation(self, embedding: Tensor) -> Tensor:
        """Return balance * [g, o], (2, B, K, 1, 1, 1), for `modulate`."""
        told = torch.sigmoid(self.project(embedding.flatten(1)))  # (B, 2 K)
        return self.balance * told.reshape(len(told), 2, -1, 1, 1, 1).transpose(0, 1)

    def at_bottleneck(self, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        return modulate(bottleneck, self.modulation(embedding))


class DecoderFusion(Fusion):
    """The formula of `ChannelFusion` after every stage of the decoder, each with its own projection and balance.

    A text that acts at several depths served VoxTell (61.5 against 55.1 Dice with one late stage).

    Args:
        embedding_size: numbers of e, those of all classes in a row.
        channels: what each stage of the decoder gives, coarsest first.
        hidden: width between W1 and W2.
    """

    def __init__(self, embedding_size: int, channels: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(ChannelFusion(embedding_size, count, hidden) for count in channels)

    def in_decoder(self, embedding: Tensor) -> list[Tensor]:
        modulations: list[Tensor] = []
        for stage in self.stages:
            modulations.append(stage.modulation(embedding))  # type: ignore[operator]
        return modulations


class HeadFusion(Fusion):
    """l_c = out(f)_c + balance * (w_c . f + b_c), with [w_c, b_c] = W2 relu(W1 [n(e_c); mean(x5)]) for each class c.

    The text e_c of a class and the mean of the bottleneck's voxels, which knows the scan, make the weights of the
    class's output channel; the background keeps the network's own. n is that of `ChannelFusion`. CLIP-Driven Universal
    Model's idea with a single layer and a balance. A scan passes in windows, each with weights of its own.

    Args:
        embedding_size: E, of one class.
        bottleneck_channels: of x5.
        features: channels of f, what `out` gets.
        hidden: width between W1 and W2.
    """

    def __init__(self, embedding_size: int, bottleneck_channels: int, features: int, hidden: int) -> None:
        super().__init__()
        self.scale = _unit_variance(embedding_size)
        self.project = nn.Sequential(
            nn.Linear(embedding_size + bottleneck_channels, hidden), nn.ReLU(), nn.Linear(hidden, features + 1)
        )
        self.balance = nn.Parameter(torch.ones(()))

    def at_head(self, logits: Tensor, features: Tensor, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        scan = bottleneck.float().mean(dim=(2, 3, 4)).unsqueeze(1)  # (B, 1, K5)
        text = self.scale(embedding).expand(scan.shape[0], -1, -1)  # (B, C - 1, E)
        known = torch.cat([text, scan.expand(-1, text.shape[1], -1)], dim=2)
        weights = self.balance * self.project(known)  # (B, C - 1, K + 1)
        made = torch.matmul(weights[..., :-1].to(features.dtype), features.flatten(2)) + weights[..., -1:]
        made = made.reshape([logits.shape[0], -1] + list(logits.shape[2:]))  # noqa: RUF005  TorchScript
        return torch.cat([logits[:, :1], logits[:, 1:] + made.to(logits.dtype)], dim=1)


def _unit_variance(embedding_size: int) -> nn.LayerNorm:
    """Return what scales a text to mean 0 and variance 1 without parameters.

    The vectors of an encoder have length 1, so that a number of 384 is about 0.05: what the texts of two organs made of
    a new network differed by 0.008, and it learned to heed none in 1,000 steps.
    """
    return nn.LayerNorm(embedding_size, elementwise_affine=False)
