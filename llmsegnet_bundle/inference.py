"""Inference over windows: probabilities averaged, strides as asked, in the arithmetic that the device is fast in."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from llmsegnet_bundle.precision import autocast


class ProbabilityInferer(SlidingWindowInferer):
    """Average the softmax probabilities of overlapping windows; a smaller image is padded and cropped back.

    Args:
        window: (H, W, D) of a window.
        stride_voxel: step between windows per side, or "half" a window.
        weights: "gaussian", so that the borders of a window count little, or "constant", as in the field's papers.
        batch: windows a forward pass.

    Shape:
        image (B, 1, H, W, D) -> probs (B, C, H, W, D), float32.

    Raises:
        ValueError: when `weights` or `stride_voxel` is another word, or a stride is not in 1 .. window.
    """

    def __init__(
        self,
        window: Sequence[int],
        stride_voxel: Sequence[int] | str = "half",
        weights: str = "gaussian",
        batch: int = 1,
    ) -> None:
        if weights not in ("gaussian", "constant"):
            raise ValueError(f'window_weights must be "gaussian" or "constant", got {weights!r}')
        strides: list[Any] = [side // 2 for side in window] if stride_voxel == "half" else list(stride_voxel)
        if len(strides) != len(window) or any(s not in range(1, w + 1) for s, w in zip(strides, window, strict=True)):
            raise ValueError(
                f'stride_voxel must be "half", or 1 to the window {list(window)} per side, got {stride_voxel}'
            )
        # MONAI steps by int(window * (1 - overlap)); half a voxel keeps rounding from taking one off the stride
        overlap = [max(0.0, 1.0 - (s + 0.5) / w) for s, w in zip(strides, window, strict=True)]
        super().__init__(roi_size=list(window), sw_batch_size=batch, overlap=overlap, mode=weights)

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def probs(windows: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            with autocast(windows.device):
                logits = network(windows, *args, **kwargs)
            return torch.softmax(logits.float(), dim=1)

        return super().__call__(inputs.float(), probs, *args, **kwargs)
