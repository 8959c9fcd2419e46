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
    """A segmentation network that knows a text about its organ (docs/method.md).

    The text is a buffer, so that inference needs the image alone and the weights carry it.

    Args:
        backbone: an `EncoderDecoder`, as `VNet` or `UNet`.
        text_embedding: (P, E), P texts of one organ, or (C - 1, P, E), P of each class but the background, or
            (O, C - 1, P, E), those of several organs; None for the backbone alone.
        fusion: "spatial" (a map over the bottleneck), "channel" (a gain and an offset per channel there), "decoder"
            (the same after every decoder stage) or "head" (a class's text makes weights of its output channel).
        crop: (H, W, D) that it is trained on, whose bottleneck is the size of the map of "spatial".
        hidden: width of the text projection.
        organ: which one of several organs is answered where a call names none.

    Shape:
        image (B, K, H, W, D), of sides that `backbone` takes -> logits (B, C, H, W, D).

    Raises:
        ValueError: when `text_embedding` is none of these or of other classes, it has no such `organ`, `fusion` is
            unknown, or `backbone` does not take `crop`.

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
        organ: int = 0,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion!r}")
        self.backbone = backbone
        self.has_text = text_embedding is not None
        embedding = torch.zeros(0, 1) if text_embedding is None else text_embedding.detach().clone().float()
        self.texts = embedding.shape[-2] if embedding.ndim > 1 else 0
        self.organs = len(embedding) if embedding.ndim == 4 else 1
        if organ not in range(self.organs):
            raise ValueError(f"organ must be 0 to {self.organs - 1}, the organs of text_embedding, got {organ}")
        self.organ = organ
        grid = bottleneck_of(backbone, crop)
        self.fusion = self._make_fusion(embedding.shape, fusion, grid, hidden) if self.has_text else Fusion()
        # organs and classes in a row: torch takes a buffer of 4 axes for a picture, and lays out those of 5 alone
        rows = embedding.flatten(0, 1) if embedding.ndim == 4 else embedding
        self.register_buffer("text_embedding", rows, persistent=self.has_text)

    def _make_fusion(self, shape: Sequence[int], fusion: str, grid: Sequence[int], hidden: int) -> Fusion:
        classes = self.backbone.out.out_channels
        if len(shape) not in (2, 3, 4) or (len(shape) > 2 and shape[-3] != classes - 1):
            raise ValueError(
                f"text_embedding must be (P, E), (C - 1, P, E) or (O, C - 1, P, E) of {classes} classes, got shape "
                f"{tuple(shape)}"
            )
        deepest = self.backbone.bottleneck_channels
        if fusion == "head":
            if len(shape) == 2 and classes != 2:
                raise ValueError(f"fusion head needs texts of each class, (C - 1, P, E), got shape {tuple(shape)}")
            return HeadFusion(shape[-1], deepest, self.backbone.out.in_channels, hidden)
        size = shape[-1] * (shape[-3] if len(shape) > 2 else 1)  # the texts of all classes act together
        if fusion == "spatial":
            return SpatialFusion(size, grid, hidden)
        if fusion == "channel":
            return ChannelFusion(size, deepest, hidden)
        return DecoderFusion(size, [deepest // 2 ** (i + 1) for i in range(len(self.backbone.decoder))], hidden)

    def embedding(self, text: Optional[Tensor] = None) -> Tensor:  # noqa: UP045  TorchScript reads Optional
        """Return the embedding of each image's text, (B, 1, E), or (B, C - 1, E) with texts of classes.

        Args:
            text: (B, 2), the organ of each image and one of its texts; (B, 1), the organ alone, for the mean of its
                texts, scaled to their mean norm; None for (1, 1) with `organ`.
        """
        if not self.has_text:
            return self.text_embedding
        if text is None:
            text = torch.full([1, 1], self.organ)
        text = text.to(self.text_embedding.device)
        size = list(self.text_embedding.shape[-2:])
        told = self.text_embedding.reshape([self.organs, -1] + size)[text[:, 0]]  # noqa: RUF005  (B, C - 1, P, E)
        if text.shape[1] == 2:
            return told[torch.arange(len(told), device=told.device), :, text[:, 1]]
        mean = told.mean(dim=-2)
        length = torch.linalg.vector_norm(told, dim=-1).mean(dim=-1, keepdim=True)
        return mean * (length / torch.linalg.vector_norm(mean, dim=-1, keepdim=True).clamp(min=1e-12))

    def forward(self, image: Tensor, text: Optional[Tensor] = None) -> Tensor:  # noqa: UP045
        """Return logits; `text` as of `embedding`, for each image or one for all."""
        skips, bottleneck = self.backbone.encode(image)
        embedding = self.embedding(text)
        bottleneck = self.fusion.at_bottleneck(bottleneck, embedding)
        features = self.backbone.decode(bottleneck, skips, self.fusion.in_decoder(embedding))
        logits = self.backbone.out(features)
        return self.fusion.at_head(logits, features, bottleneck, embedding)
