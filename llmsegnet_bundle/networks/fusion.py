"""Fusion of a text embedding into the bottleneck of a network, with a learnable balance (METHOD.md section 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpatialFusion(nn.Module):
    """F = x5 + balance * T with T = sigmoid(W2 W1 e), one map over the bottleneck's voxels (grades A and P).

    T is shared by all channels; for a bottleneck of another size than `grid` it is interpolated trilinearly.

    Args:
        embedding_size: E.
        grid: (h, w, d) of the bottleneck of the training crop.
        hidden: width between W1 and W2.

    Shape:
        bottleneck (B, K, h', w', d'), embedding (E,) -> (B, K, h', w', d').
    """

    def __init__(self, embedding_size: int, grid: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.grid = [int(side) for side in grid]
        self.project = nn.Sequential(
            nn.Linear(embedding_size, hidden), nn.Linear(hidden, self.grid[0] * self.grid[1] * self.grid[2])
        )
        self.balance = nn.Parameter(torch.ones(()))

    def forward(self, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        text = torch.sigmoid(self.project(embedding)).reshape([1, 1] + self.grid)  # noqa: RUF005  TorchScript
        size = bottleneck.shape[2:]
        if list(size) != self.grid:
            text = F.interpolate(text.float(), size=size, mode="trilinear", align_corners=False)
        return bottleneck + (self.balance * text).to(bottleneck.dtype)


class ChannelFusion(nn.Module):
    """F = x5 + balance * (g * x5 + o), with a gain g and an offset o per channel, [g, o] = sigmoid(W2 W1 e) (grade D).

    Free of the size of the bottleneck.

    Args:
        embedding_size: E.
        channels: K, the channels of the bottleneck.
        hidden: width between W1 and W2.

    Shape:
        bottleneck (B, K, h, w, d), embedding (E,) -> (B, K, h, w, d).
    """

    def __init__(self, embedding_size: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(embedding_size, hidden), nn.Linear(hidden, 2 * channels))
        self.balance = nn.Parameter(torch.ones(()))

    def forward(self, bottleneck: Tensor, embedding: Tensor) -> Tensor:
        text = self.balance * torch.sigmoid(self.project(embedding)).reshape(2, 1, -1, 1, 1, 1)
        text = text.to(bottleneck.dtype)
        return bottleneck + text[0] * bottleneck + text[1]
