"""The supervised loss and the Unified Segmentation Loss (docs/method.md)."""

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional as F


class SupervisedLoss(nn.Module):
    """0.5 * (cross-entropy + Dice of the foreground channels), Dice summed over the batch (the authors').

    Shape:
        logits (B, C, H, W, D), label (B, C, H, W, D), the fraction of each class in a voxel -> scalar.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice_ce = DiceCELoss(
            include_background=False,
            softmax=True,
            squared_pred=True,
            batch=True,
            smooth_nr=1e-5,
            smooth_dr=1e-5,
            lambda_dice=0.5,
            lambda_ce=0.5,
        )

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        return self.dice_ce(logits.float(), label.float())


class UnifiedSegmentationLoss(nn.Module):
    """The loss of a student on unlabeled voxels, from the probabilities t of its peer (arXiv 2407.05088).

    With q the softmax of the student's logits and y = argmax t, the sum of three means over sets of voxels:

    - positive, max t >= confident: max t * (-log q_y);
    - negative, min t < negative, m = argmin t: t_m * (-log(1 - q_m));
    - uncertain, max t < confident: mean over classes of (q - t)^2.

    An empty set gives 0 and keeps the graph. No gradient reaches the peer.

    Args:
        confident: the least peer probability of a positive voxel.
        negative: the peer probability under which a voxel surely is not of a class.

    Shape:
        logits and peer_probs (B, C, H, W, D) -> scalar.

    Raises:
        ValueError: when a threshold is outside [0, 1], or the shapes differ.

    Example:
        >>> logits, peer_probs = torch.zeros(1, 2, 4, 4, 4), torch.full((1, 2, 4, 4, 4), 0.5)
        >>> UnifiedSegmentationLoss()(logits, peer_probs)
        tensor(0.)
    """

    def __init__(self, confident: float = 0.65, negative: float = 0.10) -> None:
        super().__init__()
        for name, value in (("confident", confident), ("negative", negative)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        self.confident = confident
        self.negative = negative

    def forward(self, logits: Tensor, peer_probs: Tensor) -> Tensor:
        if logits.shape != peer_probs.shape:
            raise ValueError(
                f"logits and peer_probs must have one shape, got {list(logits.shape)} and {list(peer_probs.shape)}"
            )
        log_q = F.log_softmax(logits.float(), dim=1)  # (B, C, H, W, D)
        t = peer_probs.detach().float()
        t_max, y = t.max(dim=1, keepdim=True)  # (B, 1, H, W, D)
        t_min, m = t.min(dim=1, keepdim=True)
        confident = t_max >= self.confident
        negative = t_min < self.negative
        # log(1 - q_m) is the log of the sum of the other classes' probabilities
        log_not_q_m = torch.logsumexp(log_q.scatter(1, m, float("-inf")), dim=1, keepdim=True)
        squared = (log_q.exp() - t).square().mean(dim=1, keepdim=True)
        return (
            _mean_over(confident, -t_max * log_q.gather(1, y))
            + _mean_over(negative, -t_min * log_not_q_m)
            + _mean_over(~confident, squared)
        )


def _mean_over(voxels: Tensor, term: Tensor) -> Tensor:
    return torch.where(voxels, term, 0.0).sum() / voxels.sum().clamp(min=1)
