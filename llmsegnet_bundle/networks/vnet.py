"""The V-Net that semi-supervised 3-D segmentation compares on: 3x3x3 kernels, batch norm, skips by addition."""

from collections.abc import Sequence

from monai.networks.layers import get_norm_layer
from torch import Tensor, nn

from llmsegnet_bundle.networks.backbone import LEAST_VOXELS, EncoderDecoder, check_norm
from llmsegnet_bundle.networks.levels import Sides, check_kernels, check_strides

ENCODER_CONVS = (1, 2, 3, 3, 3)
DECODER_CONVS = (3, 3, 2, 1)


def _norm_relu(channels: int, norm: str) -> list[nn.Module]:
    return [get_norm_layer((norm, {"affine": True}), spatial_dims=3, channels=channels), nn.ReLU(inplace=True)]


def _stage(convs: int, in_channels: int, out_channels: int, kernel: Sides, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    for i in range(convs):
        layers.append(nn.Conv3d(in_channels if i == 0 else out_channels, out_channels, kernel, padding=padding))
        layers += _norm_relu(out_channels, norm)
    return nn.Sequential(*layers)


def _down(in_channels: int, out_channels: int, stride: Sides, norm: str) -> list[nn.Module]:
    return [nn.Conv3d(in_channels, out_channels, stride, stride=stride), *_norm_relu(out_channels, norm)]


class _DecoderStage(nn.Module):
    def __init__(
        self, convs: int, in_channels: int, out_channels: int, stride: Sides, kernel: Sides, norm: str
    ) -> None:
        super().__init__()
        up = nn.ConvTranspose3d(in_channels, out_channels, stride, stride=stride)
        # the norm subtracts this bias, so its gradient is zero; summing it took a CPU 4 % of a training step
        up.bias.requires_grad_(False)  # type: ignore[union-attr]
        self.up = nn.Sequential(up, *_norm_relu(out_channels, norm))
        self.convs = _stage(convs, out_channels, out_channels, kernel, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(self.up(x) + skip)


class VNet(EncoderDecoder):
    """V-Net with 9,448,866 parameters at the default values (the authors').

    The biases of its transposed convolutions stay as they were drawn: the norm that follows subtracts them.

    Args:
        in_channels: image channels.
        out_channels: classes C, background included.
        base_filters: channels of the first stage; doubled at each of the four levels below.
        dropout: probability that `Dropout3d` drops a whole channel, on the bottleneck and before the output.
        strides: four times (h, w, d) factors of 1 or 2 between the levels, for thick slices; None halves every axis.
        kernels: five times (h, w, d) sides of 1 or 3, of the convolutions at each level; None for 3x3x3.
        norm: "batch", or "instance" for what is trained on a few unlike scans: the running averages of batch norm
            then fit none of them.

    Shape:
        image (B, in_channels, H, W, D), sides multiples of `multiples`, by default 16, and with instance norm more than
        one voxel at the bottleneck -> logits (B, C, H, W, D).

    Raises:
        ValueError: as `EncoderDecoder`, or when `strides` or `kernels` are no such factors, or `norm` is unknown.

    Example:
        >>> VNet()(torch.zeros(1, 1, 32, 32, 16)).shape
        torch.Size([1, 2, 32, 32, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        base_filters: int = 16,
        dropout: float = 0.5,
        strides: Sequence[Sequence[int]] | None = None,
        kernels: Sequence[Sequence[int]] | None = None,
        norm: str = "batch",
    ) -> None:
        check_norm(norm)
        steps, sides = check_strides(strides), check_kernels(kernels)
        widths = [base_filters * 2**level for level in range(len(sides))]
        levels = range(len(steps))
        super().__init__(
            stem=_stage(ENCODER_CONVS[0], in_channels, widths[0], sides[0], norm),
            encoder=[
                nn.Sequential(
                    *_down(widths[i], widths[i + 1], steps[i], norm),
                    *_stage(ENCODER_CONVS[i + 1], widths[i + 1], widths[i + 1], sides[i + 1], norm),
                )
                for i in levels
            ],
            decoder=[
                _DecoderStage(convs, widths[i + 1], widths[i], steps[i], sides[i], norm)
                for convs, i in zip(DECODER_CONVS, reversed(levels), strict=True)
            ],
            dropout=nn.Dropout3d(dropout),
            out=nn.Conv3d(base_filters, out_channels, 1),
            bottleneck_channels=widths[-1],
            strides=steps,
            least_voxels=LEAST_VOXELS[norm],
        )
