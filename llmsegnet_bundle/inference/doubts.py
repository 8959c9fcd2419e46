"""How much two networks doubt a scan, in numbers that need no label: candidates for what to annotate next."""

from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.transforms.answer import mean_and_doubt

BAND_VOXEL = 2  # on either side of the mask's surface
DOUBTS = {
    "disagreement": "volume on which the networks disagree (Jensen-Shannon), for each voxel of the mask",
    "dice_gap": "1 - Dice of alpha's and beta's masks",
    "entropy": "entropy of the mean, for each voxel of the mask",
    "band_entropy": f"mean entropy of the mean within {BAND_VOXEL} voxels of the mask's surface",
    "soft_gap": "1 - soft Dice of the mean's probabilities and its own mask",
}


def doubts(probs: Tensor) -> dict[str, float]:
    """Return each of `DOUBTS`, from 0 (sure) to 1; all are 1 where the mean finds nothing.

    Args:
        probs: of alpha, then of beta, of `ProbabilityInferer` with `members`, on the working grid.

    Shape:
        probs (2C, H, W, D).
    """
    alpha, beta = probs.float().chunk(2, dim=0)  # (C, H, W, D)
    mean, entropy, disagreement = mean_and_doubt(alpha, beta)
    mask, of_alpha, of_beta = (part.argmax(dim=0) for part in (mean, alpha, beta))  # (H, W, D)
    found = mask > 0
    volume = int(found.sum())
    if not volume:
        return dict.fromkeys(DOUBTS, 1.0)
    shared = ((of_alpha == of_beta) & (of_alpha > 0)).sum()
    sizes = (of_alpha > 0).sum() + (of_beta > 0).sum()
    return {
        "disagreement": _share(float(disagreement.sum()), volume),
        "dice_gap": float(1 - 2 * shared / sizes) if sizes else 1.0,
        "entropy": _share(float(entropy.sum()), volume),
        "band_entropy": float(entropy[0][_band(found)].mean()),
        "soft_gap": soft_gap(mean),
    }


def soft_gap(mean: Tensor) -> float:
    """Return 1 - soft Dice of probabilities (C, H, W, D) and their own mask; 1 where they find nothing."""
    mask = mean.argmax(dim=0)
    found = mask > 0
    if not found.any():
        return 1.0
    own = mean.gather(0, mask[None])[0][found].sum()
    return float(1 - 2 * own / (int(found.sum()) + (1 - mean[0]).sum()))


def _share(total: float, volume: int) -> float:
    """Return t / (t + v), which grows with t / v and stays below 1."""
    return total / (total + volume)


def _band(found: Tensor) -> Tensor:
    size = 2 * BAND_VOXEL + 1
    volumes = [part.float()[None, None] for part in (found, ~found)]
    inside, outside = (F.max_pool3d(volume, size, stride=1, padding=BAND_VOXEL)[0, 0] > 0 for volume in volumes)
    return inside & outside if bool((inside & outside).any()) else found
