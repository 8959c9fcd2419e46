"""The 3-D U-Net that semi-supervised segmentation of BraTS compares on, composed of the blocks of MONAI's BasicUNet."""

from itertools import pairwise
from typing import Any

from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import nn

from llmsegnet_bundle.networks.backbone import EncoderDecoder

LEVELS = 5


class UNet(EncoderDecoder):
    """3-D U-Net: instance norm, max-pooling, trilinear up-sampling, skips by concatenation (METHOD.md section 2, T).

    MONAI's BasicUNet itself halves the channels while up-sampling and has no dropout at the bottom alone.

    Args:
        in_channels: image channels.
        out_channels: classes C, background included.
        base_filters: channels of the first level; doubled at each of the four levels below.
        dropout: probability that an element is dropped, on the bottleneck and before the output.

    Shape:
        image (B, in_channels, H, W, D) with H, W, D multiples of 16 -> logits (B, C, H, W, D).

    Raises:
        ValueError: as `EncoderDecoder`.

    Example:
        >>> UNet()(torch.zeros(1, 1, 32, 32, 16)).shape
        torch.Size([1, 2, 32, 32, 16])
    """

    def __init__(
        self, in_channels: int = 1, out_channels: int = 2, base_filters: int = 16, dropout: float = 0.3
    ) -> None:
        widths = [base_filters * 2**level for level in range(LEVELS)]
        block: dict[str, Any] = {"act": ("relu", {"inplace": True}), "norm": "instance", "bias": True}
        up: dict[str, Any] = {"upsample": "nontrainable", "pre_conv": None, "align_corners": False, "is_pad": False}
        super().__init__(
            stem=TwoConv(3, in_channels, widths[0], **block),
            encoder=[Down(3, narrow, wide, **block) for narrow, wide in pairwise(widths)],
            decoder=[UpCat(3, wide, narrow, narrow, **block, **up) for wide, narrow in pairwise(widths[::-1])],
            dropout=nn.Dropout(dropout),
            out=nn.Conv3d(base_filters, out_channels, 1),
            bottleneck_channels=widths[-1],
        )
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
