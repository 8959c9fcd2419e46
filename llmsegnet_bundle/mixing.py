"""CutMix of whole-depth boxes between the crops of one batch: the draw, and its application to any volume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CutMixDraw:
    """What to cut where: partner[i] of the whole batch gives box[i] = (x0, x1, y0, y1) to unlabeled crop i."""

    partners: tuple[int, ...]
    boxes: tuple[tuple[int, int, int, int], ...]


def draw_cutmix(
    size: Sequence[int],
    batch: int,
    unlabeled: int,
    concentration: float = 4.0,
    tasks: Sequence[int] | None = None,
) -> CutMixDraw:
    """Draw the mixing of one step from torch's global generator (as the authors' code has it).

    lambda ~ Beta(concentration, concentration) once; per crop a box of side sqrt(1 - lambda) of x and y, centre
    uniform in [size / 8, size), clipped at the border; partners from a random permutation of the whole batch.

    Args:
        size: (H, W, D) of the crops.
        batch: crops in the whole batch.
        unlabeled: crops to mix, at most `batch`.
        concentration: of the Beta distribution.
        tasks: what is segmented in each crop of the batch; partners are of one task. None for the same in all.
    """
    share = float(torch.distributions.Beta(concentration, concentration).sample())
    drawn = torch.randperm(batch).tolist()
    kinds = [0] * batch if tasks is None else tasks
    partners = []
    for kind in kinds[batch - unlabeled :]:
        partners.append(next(partner for partner in drawn if kinds[partner] == kind))
        drawn.remove(partners[-1])
    boxes = []
    for _ in range(unlabeled):
        edges: list[int] = []
        for side in size[:2]:
            half = int(side * math.sqrt(1.0 - share)) // 2
            centre = int(torch.randint(side // 8, side, ()))
            edges += [max(centre - half, 0), min(centre + half, side)]
        boxes.append((edges[0], edges[1], edges[2], edges[3]))
    return CutMixDraw(tuple(partners), tuple(boxes))


def cutmix(volumes: Tensor, draw: CutMixDraw) -> Tensor:
    """Return the mixed unlabeled crops: the last of `volumes`, each with its partner's voxels inside its box.

    The same draw gives the same boxes on images and on targets.

    Args:
        volumes: (B, K, H, W, D), the whole batch, labeled crops first; not changed.
        draw: of `draw_cutmix` for U unlabeled crops.

    Shape:
        (B, K, H, W, D) -> (U, K, H, W, D).
    """
    mixed = volumes[len(volumes) - len(draw.partners) :].clone()
    for crop, partner, (x0, x1, y0, y1) in zip(mixed, draw.partners, draw.boxes, strict=True):
        crop[:, x0:x1, y0:y1] = volumes[partner, :, x0:x1, y0:y1]
    return mixed
