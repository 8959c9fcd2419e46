"""The V-Net that semi-supervised 3-D segmentation compares on: 3x3x3 kernels, batch norm, skips by addition."""

from torch import Tensor, nn

from llmsegnet_bundle.networks.backbone import EncoderDecoder

ENCODER_CONVS = (1, 2, 3, 3, 3)
DECODER_CONVS = (3, 3, 2, 1)


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm3d(channels), nn.ReLU(inplace=True)]


def _stage(convs: int, in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(convs):
        layers.append(nn.Conv3d(in_channels if i == 0 else out_channels, out_channels, 3, padding=1))
        layers += _norm_relu(out_channels)
    return nn.Sequential(*layers)


class _DecoderStage(nn.Module):
    def __init__(self, convs: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        up = nn.ConvTranspose3d(in_channels, out_channels, 2, stride=2)
        # batch norm subtracts this bias, so its gradient is zero; summing it took a CPU 4 % of a training step
        up.bias.requires_grad_(False)  # type: ignore[union-attr]
        self.up = nn.Sequential(up, *_norm_relu(out_channels))
        self.convs = _stage(convs, out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(self.up(x) + skip)


class VNet(EncoderDecoder):
    """V-Net with 9,448,866 parameters at the default values (METHOD.md section 2, grade A).

    The biases of its transposed convolutions stay as they were drawn: the batch norm that follows subtracts them.

    Args:
        in_channels: image channels.
        out_channels: classes C, background included.
        base_filters: channels of the first stage; doubled at each of the four levels below.
        dropout: probability that `Dropout3d` drops a whole channel, on the bottleneck and before the output.

    Shape:
        image (B, in_channels, H, W, D) with H, W, D multiples of 16 -> logits (B, C, H, W, D).

    Raises:
        ValueError: as `EncoderDecoder`.

    Example:
        >>> VNet()(torch.zeros(1, 1, 32, 32, 16)).shape
        torch.Size([1, 2, 32, 32, 16])
    """

    def __init__(
        self, in_channels: int = 1, out_channels: int = 2, base_filters: int = 16, dropout: float = 0.5
    ) -> None:
        widths = [base_filters * 2**level for level in range(len(ENCODER_CONVS))]
        super().__init__(
            stem=_stage(ENCODER_CONVS[0], in_channels, widths[0]),
            encoder=[
                nn.Sequential(nn.Conv3d(narrow, wide, 2, stride=2), *_norm_relu(wide), *_stage(convs, wide, wide))
                for convs, narrow, wide in zip(ENCODER_CONVS[1:], widths[:-1], widths[1:], strict=True)
            ],
            decoder=[
                _DecoderStage(convs, wide, narrow)
                for convs, wide, narrow in zip(DECODER_CONVS, widths[:0:-1], widths[-2::-1], strict=True)
            ],
            dropout=nn.Dropout3d(dropout),
            out=nn.Conv3d(base_filters, out_channels, 1),
            bottleneck_channels=widths[-1],
        )
