"""Inference over windows: probabilities averaged, strides as asked, in the arithmetic that the device is fast in."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.data.utils import compute_importance_map
from monai.inferers import SlidingWindowInfererAdapt
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor, nn

from llmsegnet_bundle.inference.stitching import row_starts, stitch
from llmsegnet_bundle.precision import autocast, fold_batch_norm, free_bytes, freed_memory_kept

Boxes = Sequence[Sequence[slice]]
BYTES_PER_VOXEL = 400  # of a window: twice what V-Net took in float32 (192; 81 in bfloat16), for wider networks
EVEN = {"half": 2, "third": 3}
SIGMA = 0.3  # of the Gaussian, in windows: 0.125 and 0.2 were no better on left atrium scans; see docs/performance.md
MOST_WINDOWS = 4  # a pass; on a CPU 2 and 4 were 1 to 6 % faster than 1


class ProbabilityInferer(SlidingWindowInfererAdapt):
    """Average the softmax probabilities of overlapping windows; a smaller image is padded and cropped back.

    A module in evaluation mode answers with its batch norm folded into its convolutions, without a graph.

    Args:
        window: (H, W, D) of a window.
        stride_voxel: step between windows per side, the last one moved back to end at the image's border, as the
            field does; or "half" or "third", as many windows as steps of that part of a window take, evenly spread.
        weights: "gaussian", so that the borders of a window count little, or "constant", as in the field's papers.
        alternate: ask alpha and beta of a `LLMSegNetPair` in turn, as on a chessboard, instead of both at each window:
            half the work, and where windows overlap still the mean of both. An image of one window asks both.
        members: answer with the probabilities of alpha and of beta, one after the other, instead of what is deployed.
        deploy: "mean", "alpha" or "beta", who of a pair answers; None for what the network itself deploys.
        batch: windows a forward pass; None for as many as a quarter of the free memory holds, at most 4.

    Shape:
        image (B, 1, H, W, D) -> probs (B, C, H, W, D), with `members` (B, 2C, H, W, D); float32.

    Raises:
        ValueError: when `alternate` or `members` is asked of a network without alpha and beta, or both are asked,
            `weights` or `stride_voxel` is another word, or a stride is not in 1 .. window.
    """

    def __init__(
        self,
        window: Sequence[int],
        stride_voxel: Sequence[int] | str = "half",
        weights: str = "gaussian",
        alternate: bool = False,
        members: bool = False,
        deploy: str | None = None,
        batch: int | None = None,
    ) -> None:
        if weights not in ("gaussian", "constant"):
            raise ValueError(f'window_weights must be "gaussian" or "constant", got {weights!r}')
        if alternate and members:
            raise ValueError("alternate: must be false when uncertainty needs alpha and beta at each window")
        if alternate and deploy in ("alpha", "beta"):
            raise ValueError(f"alternate: must be False when deploy is {deploy}, as it answers with both networks")
        strides = list(window) if stride_voxel in tuple(EVEN) else stride_voxel
        if not isinstance(strides, list | tuple):
            strides = []
        if len(strides) != len(window) or any(s not in range(1, w + 1) for s, w in zip(strides, window, strict=True)):
            raise ValueError(
                f'stride_voxel must be "half", "third", or 1 to the window {list(window)} per side, got {stride_voxel}'
            )
        super().__init__(roi_size=list(window), mode=weights, sigma_scale=SIGMA, with_coord=True, buffer_steps=-1)
        self.window = window
        self.stride_voxel = stride_voxel
        self.alternate = alternate
        self.members = members
        self.deploy = deploy
        self.batch = batch

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        probs, done = torch.empty(0), 0
        for slab in self.slabs(inputs, network, *args, **kwargs):
            if not done:
                probs = torch.empty(*slab.shape[:2], *inputs.shape[2:], device=slab.device)
            probs[..., done : done + slab.shape[-1]] = slab
            done += slab.shape[-1]
        return convert_to_dst_type(probs, inputs, dtype=probs.dtype, device=probs.device)[0]

    def slabs(
        self, inputs: Tensor, network: Callable[..., Any], *args: Any, parts: int = 1, **kwargs: Any
    ) -> Iterator[Tensor]:
        """Yield the answer in slabs along the last axis, (B, C, H, W, n) each; memory holds two windows' depth of it.

        Where a GPU does not hold that, the windows are stitched on the CPU. With `parts` each window is asked as often,
        for a part of its depth at a time: the same answer to rounding, in less memory.
        """
        if isinstance(network, nn.Module) and not isinstance(network, torch.jit.ScriptModule):
            network = network if network.training else fold_batch_norm(network)
        if (self.alternate or self.members) and not (hasattr(network, "alpha") and hasattr(network, "beta")):
            setting = "alternate" if self.alternate else "members"
            raise ValueError(f"{setting} needs a network with alpha and beta, got {type(network).__name__}")
        image = convert_to_tensor(inputs, dtype=torch.float32)  # plain
        strides = self.strides(image.shape[2:])
        self.overlap: list[float] = _overlap(strides, self.window)
        self.sw_batch_size = self.batch or window_batch(self.window, image.device)
        self.sw_batch_size *= 1 + self.alternate  # every second window is for the other network
        depth = self.window[2]
        weights = compute_importance_map((depth,), self.mode, SIGMA, image.device)  # the Gaussian is a product of sides
        starts = row_starts(image.shape[-1], depth, strides[2])
        stitched: Callable[..., Any] = super().__call__

        one_window = all(side <= window for side, window in zip(image.shape[2:], self.window, strict=True))
        in_turn = self.alternate and not one_window
        asked = self._asked(network)

        def ask(windows: Tensor, boxes: Boxes, row: int, kept: slice, *args: Any, **kwargs: Any) -> Tensor:
            def probs(net: Any, some: Tensor) -> Tensor:
                with autocast(some.device):
                    logits = net(some, *args, **kwargs)
                return torch.softmax(logits[..., kept].float(), dim=1)

            if not in_turn:
                answers = [probs(net, windows) for net in asked]
                if len(answers) == 1:  # no copy, as classes may be many
                    return answers[0]
                return torch.cat(answers, dim=1) if self.members else torch.stack(answers).mean(dim=0)
            turns = [_turn(row, box, strides) for box in boxes]
            return _asked_in_turn(probs, (network.beta, network.alpha), windows, turns)  # type: ignore[attr-defined]

        @torch.no_grad()
        def answer(row: int, first: int, last: int) -> Any:
            part = image[..., starts[row] : starts[row] + depth]
            with freed_memory_kept():  # of a row alone, as the sums of several leave holes
                return stitched(part, ask, row, slice(first, last), *args, **kwargs)

        yield from stitch(starts, answer, weights, parts if image.shape[-1] >= depth else 1)

    def _asked(self, network: Any) -> list[Any]:
        own = getattr(network, "deploy", self.deploy)
        if self.members or (self.deploy == "mean" and own != "mean"):
            return [network.alpha, network.beta]
        return [network if self.deploy in (None, own) else getattr(network, str(self.deploy))]

    def strides(self, shape: Sequence[int]) -> list[int]:
        """Return the steps between windows over an image of `shape`."""
        if not isinstance(self.stride_voxel, str):
            return list(self.stride_voxel)
        part = EVEN[self.stride_voxel]
        return [_even_stride(side, window, window // part) for side, window in zip(shape, self.window, strict=True)]


def _turn(row: int, box: Sequence[slice], strides: Sequence[int]) -> int:
    """Return 0 or 1, as on a chessboard, for a window of a row."""
    return (row + sum(math.ceil(side.start / s) for side, s in zip(box[2:4], strides[:2], strict=True))) % 2


def _asked_in_turn(
    probs: Callable[[Any, Tensor], Tensor], networks: Sequence[Any], windows: Tensor, turns: Sequence[int]
) -> Tensor:
    """Return the answer to each window of the network whose turn it is, all of a network's in one pass."""
    answers: list[Tensor] = [windows] * len(turns)
    for number, network in enumerate(networks):
        own = [i for i, turn in enumerate(turns) if turn == number]
        if own:
            for i, answer in zip(own, probs(network, windows[own]), strict=True):
                answers[i] = answer
    return torch.stack(answers)


def _overlap(strides: Sequence[int], window: Sequence[int]) -> list[float]:
    # MONAI steps by int(window * (1 - overlap)); half a voxel keeps rounding from taking one off the stride
    return [max(0.0, 1.0 - (s + 0.5) / w) for s, w in zip(strides, window, strict=True)]


def _even_stride(side: int, window: int, longest: int) -> int:
    rest = max(side - window, 0)
    return math.ceil(rest / math.ceil(rest / longest)) if rest else window


def window_batch(window: Sequence[int], device: torch.device | str) -> int:
    """Return how many windows a forward pass may take: a quarter of the free memory's worth, at least 1."""
    return max(1, min(MOST_WINDOWS, free_bytes(device) // 4 // (BYTES_PER_VOXEL * math.prod(window))))
