"""The 3-D U-Net that semi-supervised segmentation of BraTS compares on, composed of MONAI's convolution blocks."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn

from llmsegnet_bundle.networks.backbone import LEAST_VOXELS, EncoderDecoder, check_norm
from llmsegnet_bundle.networks.levels import Sides, check_kernels, check_strides


class _TwoConv(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, kernel: Sides, norm: str) -> None:
        super().__init__()
        for i, channels in enumerate((in_channels, out_channels)):
            act = ("relu", {"inplace": True})
            conv = Convolution(3, channels, out_channels, kernel_size=kernel, act=act, norm=norm)
            self.add_module(f"conv_{i}", conv)


class _Down(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, stride: Sides, kernel: Sides, norm: str) -> None:
        super().__init__()
        self.add_module("max_pooling", nn.MaxPool3d(stride))
        self.add_module("convs", _TwoConv(in_channels, out_channels, kernel, norm))


class _UpCat(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: Sides, kernel: Sides, norm: str) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=tuple(map(float, stride)), mode="trilinear", align_corners=False)
        self.convs = _TwoConv(in_channels + out_channels, out_channels, kernel, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(torch.cat([skip, self.upsample(x)], dim=1))


class UNet(EncoderDecoder):
    """3-D U-Net: instance norm, max-pooling, trilinear up-sampling, skips by concatenation.

    MONAI's BasicUNet itself halves the channels while up-sampling, has no dropout at the bottom alone, and halves every
    axis.

    Args:
        in_channels: image channels.
        out_channels: classes C, background included.
        base_filters: channels of the first level; doubled at each of the four levels below.
        dropout: probability that an element is dropped, on the bottleneck and before the output.
        strides: as of `VNet`.
        kernels: as of `VNet`.
        norm: as of `VNet`.

    Shape:
        image (B, in_channels, H, W, D), sides multiples of `multiples`, by default 16, and with instance norm more than
        one voxel at the bottleneck -> logits (B, C, H, W, D).

    Raises:
        ValueError: as `VNet`.

    Example:
        >>> UNet()(torch.zeros(1, 1, 32, 32, 16)).shape
        torch.Size([1, 2, 32, 32, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        base_filters: int = 16,
        dropout: float = 0.3,
        strides: Sequence[Sequence[int]] | None = None,
        kernels: Sequence[Sequence[int]] | None = None,
        norm: str = "instance",
    ) -> None:
        check_norm(norm)
        steps, sides = check_strides(strides), check_kernels(kernels)
        widths = [base_filters * 2**level for level in range(len(sides))]
        levels = range(len(steps))
        super().__init__(
            stem=_TwoConv(in_channels, widths[0], sides[0], norm),
            encoder=[_Down(widths[i], widths[i + 1], steps[i], sides[i + 1], norm) for i in levels],
            decoder=[_UpCat(widths[i + 1], widths[i], steps[i], sides[i], norm) for i in reversed(levels)],
            dropout=nn.Dropout(dropout),
            out=nn.Conv3d(base_filters, out_channels, 1),
            bottleneck_channels=widths[-1],
            strides=steps,
            least_voxels=LEAST_VOXELS[norm],
        )
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
