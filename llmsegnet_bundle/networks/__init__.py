"""Networks: the field's V-Net and 3-D U-Net, text fusion, LLM-SegNet and the co-trained pair."""

from llmsegnet_bundle.networks.backbone import EncoderDecoder
from llmsegnet_bundle.networks.fusion import ChannelFusion, DecoderFusion, HeadFusion, SpatialFusion
from llmsegnet_bundle.networks.levels import check_kernels, check_strides, plan_levels
from llmsegnet_bundle.networks.llmsegnet import LLMSegNet
from llmsegnet_bundle.networks.pair import LLMSegNetPair
from llmsegnet_bundle.networks.unet import UNet
from llmsegnet_bundle.networks.vnet import VNet

__all__ = [
    "ChannelFusion",
    "DecoderFusion",
    "EncoderDecoder",
    "HeadFusion",
    "LLMSegNet",
    "LLMSegNetPair",
    "SpatialFusion",
    "UNet",
    "VNet",
    "check_kernels",
    "check_strides",
    "plan_levels",
]
