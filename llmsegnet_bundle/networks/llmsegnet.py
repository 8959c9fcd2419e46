"""LLM-SegNet: an encoder-decoder with language-model text fused into it."""

from collections.abc import Sequence
from typing import Final, Optional

import torch
from torch import Tensor, nn

from llmsegnet_bundle.networks.backbone import EncoderDecoder
from llmsegnet_bundle.networks.fusion import ChannelFusion, DecoderFusion, Fusion, HeadFusion, SpatialFusion
from llmsegnet_bundle.networks.sides import bottleneck_of

FUSIONS = ("spatial", "channel", "decoder", "head")


class LLMSegNet(nn.Module):
    """A segmentation network that knows a text about its organ (METHOD.md sections 2 to 4).

    The text is a buffer, so that inference needs the image alone and the weights carry it.

    Args:
        backbone: an `EncoderDecoder`, as `VNet` or `UNet`.
        text_embedding: (P, E), P texts of one organ, or (C - 1, P, E), P of each class but the background; None for
            the backbone alone.
        fusion: "spatial" (a map over the bottleneck), "channel" (a gain and an offset per channel there), "decoder"
            (the same after every decoder stage) or "head" (a class's text makes weights of its output channel).
        crop: (H, W, D) that it is trained on, whose bottleneck is the size of the map of "spatial".
        hidden: width of the text projection.

    Shape:
        image (B, K, H, W, D), of sides that `backbone` takes -> logits (B, C, H, W, D).

    Raises:
        ValueError: when `text_embedding` is neither or of other classes, or `fusion` is unknown, or
            `backbone` does not take `crop`.

    Example:
        >>> network = LLMSegNet(VNet(base_filters=2), torch.randn(9, 384))
        >>> network(torch.zeros(1, 1, 32, 32, 32)).shape
        torch.Size([1, 2, 32, 32, 32])
    """

    has_text: Final[bool]
    texts: Final[int]  # P; 0 without text
    text_embedding: Tensor

    def __init__(
        self,
        backbone: EncoderDecoder,
        text_embedding: Tensor | None = None,
        fusion: str = "spatial",
        crop: Sequence[int] = (112, 112, 80),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion!r}")
        self.backbone = backbone
        self.has_text = text_embedding is not None
        embedding = torch.zeros(0, 1) if text_embedding is None else text_embedding.detach().clone().float()
        self.register_buffer("text_embedding", embedding, persistent=self.has_text)
        self.texts = embedding.shape[-2] if embedding.ndim > 1 else 0
        self.fusion = self._make_fusion(fusion, bottleneck_of(backbone, crop), hidden) if self.has_text else Fusion()

    def _make_fusion(self, fusion: str, grid: Sequence[int], hidden: int) -> Fusion:
        shape, classes = self.text_embedding.shape, self.backbone.out.out_channels
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != classes - 1):
            raise ValueError(
                f"text_embedding must be (P, E) or (C - 1, P, E) of {classes} classes, got shape {tuple(shape)}"
            )
        deepest = self.backbone.bottleneck_channels
        if fusion == "head":
            if len(shape) == 2 and classes != 2:
                raise ValueError(f"fusion head needs texts of each class, (C - 1, P, E), got shape {tuple(shape)}")
            return HeadFusion(shape[-1], deepest, self.backbone.out.in_channels, hidden)
        size = shape[-1] * (shape[0] if len(shape) == 3 else 1)  # the texts of all classes act together
        if fusion == "spatial":
            return SpatialFusion(size, grid, hidden)
        if fusion == "channel":
            return ChannelFusion(size, deepest, hidden)
        return DecoderFusion(size, [deepest // 2 ** (i + 1) for i in range(len(self.backbone.decoder))], hidden)

    def embedding(self, text_index: Optional[int] = None) -> Tensor:  # noqa: UP045  TorchScript reads Optional
        """Return one text's embedding, (E,) or (C - 1, E), or for None the mean of all, scaled to their mean norm."""
        if text_index is not None:
            return self.text_embedding.select(-2, text_index)
        mean = self.text_embedding.mean(dim=-2)
        length = torch.linalg.vector_norm(self.text_embedding, dim=-1).mean(dim=-1, keepdim=True)
        return mean * (length / torch.linalg.vector_norm(mean, dim=-1, keepdim=True).clamp(min=1e-12))

    def forward(self, image: Tensor, text_index: Optional[int] = None) -> Tensor:  # noqa: UP045
        """Return logits; `text_index` chooses the text, None takes the mean embedding."""
        skips, bottleneck = self.backbone.encode(image)
        embedding = self.embedding(text_index)
        bottleneck = self.fusion.at_bottleneck(bottleneck, embedding)
        features = self.backbone.decode(bottleneck, skips, self.fusion.in_decoder(embedding))
        logits = self.backbone.out(features)
        return self.fusion.at_head(logits, features, bottleneck, embedding)
