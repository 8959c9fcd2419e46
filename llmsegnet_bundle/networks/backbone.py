"""What the backbones share: an encoder and a decoder with skips, split at the bottleneck."""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from llmsegnet_bundle.networks.levels import SMALLEST_EDGE

LEAST_VOXELS = {"batch": 1, "instance": 2}  # of the bottleneck in one crop, for its norm


class EncoderDecoder(nn.Module):
    """Five levels, each coarser than the one above, split into `encode` and `decode` for a fusion in between.

    It alone knows which image sides it takes: `multiples`, `bottleneck_size` and `check_crop`.

    Args:
        stem: image -> features of the first level.
        encoder: each stage divides the sides of the features it gets by its part of `strides`.
        decoder: each stage takes (features, skip), undoes the division and joins the skip.
        dropout: acts on the bottleneck and before the output.
        out: features of the first level -> logits.
        bottleneck_channels: what the last stage of `encoder` gives.
        strides: (h, w, d) factors between the levels, finest first.
        least_voxels: of the bottleneck, for what normalizes over it.

    Attributes:
        multiples: (h, w, d); the sides of an image must be multiples of these.

    Shape:
        image (B, in_channels, H, W, D), sides multiples of `multiples` -> logits (B, C, H, W, D).

    Raises:
        ValueError: in `encode`, for an image of other sides.
    """

    def __init__(
        self,
        stem: nn.Module,
        encoder: Iterable[nn.Module],
        decoder: Iterable[nn.Module],
        dropout: nn.Module,
        out: nn.Conv3d,
        bottleneck_channels: int,
        strides: Sequence[Sequence[int]],
        least_voxels: int = 1,
    ) -> None:
        super().__init__()
        self.bottleneck_channels = bottleneck_channels
        self.multiples = [math.prod(factors) for factors in zip(*strides, strict=True)]
        self.least_voxels = least_voxels
        self.stem = stem
        self.encoder = nn.ModuleList(encoder)
        self.decoder = nn.ModuleList(decoder)
        self.dropout = dropout
        self.out = out

    def bottleneck_size(self, image_size: list[int]) -> list[int]:
        """Return (h, w, d) of the bottleneck for an image of this size.

        Raises:
            ValueError: when a side is no multiple of its part of `multiples`, or the bottleneck gets too few voxels.
        """
        size: list[int] = []
        voxels = 1
        for side, multiple in zip(image_size, self.multiples):  # noqa: B905  TorchScript knows no strict
            if side % multiple != 0:
                raise ValueError(f"image sides must be multiples of {self.multiples}, got {image_size}")
            size.append(side // multiple)
            voxels *= side // multiple
        if voxels < self.least_voxels:
            raise ValueError(
                f"image sides must be multiples of {self.multiples} that leave at least {self.least_voxels} voxels "
                f"at the bottleneck, got {image_size}"
            )
        return size

    def check_crop(self, crop: Sequence[int]) -> None:
        """Raise ValueError when the network does not train on crops of this size.

        Where the first side of a feature map is 2, oneDNN's bfloat16 weight gradients hold uninitialized memory
        (docs/performance.md). With 3 voxels at the bottleneck it is 2 nowhere.
        """
        if self.bottleneck_size(list(crop))[0] < SMALLEST_EDGE:
            raise ValueError(f"the first side must be at least {SMALLEST_EDGE * self.multiples[0]}, got {list(crop)}")

    def encode(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the skips, finest first, and the bottleneck (B, bottleneck_channels, h, w, d)."""
        self.bottleneck_size(list(image.shape[2:]))  # for its checks
        x = self.stem(image)
        skips = [x]
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        return skips[:-1], self.dropout(skips[-1])

    def decode(self, bottleneck: Tensor, skips: list[Tensor], modulations: list[Tensor]) -> Tensor:
        """Return the features before `out`, (B, K, H, W, D), from what `encode` gave.

        Args:
            bottleneck: of `encode`.
            skips: of `encode`.
            modulations: (2, B, K, 1, 1, 1) gains and offsets for `modulate`, one after each decoder stage, or none.
        """
        x = bottleneck
        for i, stage in enumerate(self.decoder):
            x = stage(x, skips[len(skips) - 1 - i])
            if len(modulations) > 0:
                x = modulate(x, modulations[i])
        return self.dropout(x)

    def forward(self, image: Tensor) -> Tensor:
        skips, bottleneck = self.encode(image)
        return self.out(self.decode(bottleneck, skips, []))


def modulate(features: Tensor, modulation: Tensor) -> Tensor:
    """Return features + gain * features + offset for a modulation of gains and offsets."""
    modulation = modulation.to(features.dtype)
    return features + modulation[0] * features + modulation[1]


def check_norm(norm: str) -> None:
    """Raise ValueError when `norm` is none that the backbones take."""
    if norm not in LEAST_VOXELS:
        raise ValueError(f"norm: must be {' or '.join(LEAST_VOXELS)}, got {norm!r}")
