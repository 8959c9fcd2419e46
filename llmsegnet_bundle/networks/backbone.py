"""What the backbones share: an encoder and a decoder with skips, split at the bottleneck."""

from collections.abc import Iterable

from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """Five levels, each half the size of the one above, split into `encode` and `decode` for a fusion in between.

    Args:
        stem: image -> features of the first level.
        encoder: each stage halves the sides of the features it gets.
        decoder: each stage takes (features, skip), doubles the sides of the features and joins the skip.
        dropout: acts on the bottleneck and before the output.
        out: features of the first level -> logits.
        bottleneck_channels: what the last stage of `encoder` gives.

    Shape:
        image (B, in_channels, H, W, D) with H, W, D multiples of 16 -> logits (B, C, H, W, D).

    Raises:
        ValueError: in `encode`, when a side of the image is not a multiple of 16.
    """

    def __init__(
        self,
        stem: nn.Module,
        encoder: Iterable[nn.Module],
        decoder: Iterable[nn.Module],
        dropout: nn.Module,
        out: nn.Conv3d,
        bottleneck_channels: int,
    ) -> None:
        super().__init__()
        self.bottleneck_channels = bottleneck_channels
        self.stem = stem
        self.encoder = nn.ModuleList(encoder)
        self.decoder = nn.ModuleList(decoder)
        self.dropout = dropout
        self.out = out

    def encode(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the skips, finest first, and the bottleneck (B, bottleneck_channels, H/16, W/16, D/16)."""
        for side in image.shape[2:]:
            if side % 16 != 0:
                raise ValueError(f"image sides must be multiples of 16, got {list(image.shape[2:])}")
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
            modulations: (2, 1, K, 1, 1, 1) gains and offsets for `modulate`, one after each decoder stage, or none.
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
