"""LLM-SegNet: an encoder-decoder with language-model text fused at its bottleneck."""

from collections.abc import Sequence
from typing import Final, Optional

import torch
from torch import Tensor, nn

from llmsegnet_bundle.networks.fusion import ChannelFusion, SpatialFusion


class LLMSegNet(nn.Module):
    """A segmentation network that knows a text about its organ (METHOD.md sections 2 to 4).

    The text is a buffer, so that inference needs the image alone and the weights carry it.

    Args:
        backbone: an `EncoderDecoder`, as `VNet` or `UNet`.
        text_embedding: (P, E), P texts of one organ; None for the backbone alone.
        fusion: "spatial" (a map over the bottleneck) or "channel" (a gain and an offset per channel).
        grid: (h, w, d) of the bottleneck of the training crop, for "spatial".
        hidden: width of the text projection.

    Shape:
        image (B, K, H, W, D), of sides that `backbone` takes -> logits (B, C, H, W, D).

    Raises:
        ValueError: when `text_embedding` is not (P, E) or `fusion` is unknown.

    Example:
        >>> network = LLMSegNet(VNet(base_filters=2), torch.randn(9, 384))
        >>> network(torch.zeros(1, 1, 32, 32, 32)).shape
        torch.Size([1, 2, 32, 32, 32])
    """

    has_text: Final[bool]
    text_embedding: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        text_embedding: Tensor | None = None,
        fusion: str = "spatial",
        grid: Sequence[int] = (7, 7, 5),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        if fusion not in ("spatial", "channel"):
            raise ValueError(f'fusion must be "spatial" or "channel", got {fusion!r}')
        if text_embedding is not None and text_embedding.ndim != 2:
            raise ValueError(f"text_embedding must be (P, E), got shape {tuple(text_embedding.shape)}")
        self.backbone = backbone
        self.has_text = text_embedding is not None
        embedding = torch.zeros(0, 1) if text_embedding is None else text_embedding.detach().clone().float()
        self.register_buffer("text_embedding", embedding, persistent=self.has_text)
        if not self.has_text:
            self.fusion: nn.Module = nn.Identity()
        elif fusion == "spatial":
            self.fusion = SpatialFusion(embedding.shape[1], grid, hidden)
        else:
            self.fusion = ChannelFusion(
                embedding.shape[1],
                int(backbone.bottleneck_channels),  # type: ignore[arg-type]
                hidden,
            )

    def embedding(self, text_index: Optional[int] = None) -> Tensor:  # noqa: UP045  TorchScript reads Optional
        """Return the (E,) embedding of one text, or for None the mean of all, scaled to their mean norm."""
        if text_index is not None:
            return self.text_embedding[text_index]
        mean = self.text_embedding.mean(dim=0)
        length = torch.linalg.vector_norm(self.text_embedding, dim=1).mean()
        return mean * (length / torch.linalg.vector_norm(mean).clamp(min=1e-12))

    def forward(self, image: Tensor, text_index: Optional[int] = None) -> Tensor:  # noqa: UP045
        """Return logits; `text_index` chooses the text, None takes the mean embedding."""
        skips, bottleneck = self.backbone.encode(image)  # type: ignore[operator]
        if self.has_text:
            bottleneck = self.fusion(bottleneck, self.embedding(text_index))
        return self.backbone.decode(bottleneck, skips)  # type: ignore[operator]
