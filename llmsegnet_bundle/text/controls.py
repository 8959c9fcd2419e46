"""Controls: embeddings that say nothing, of the size of the one they replace, so that networks stay the same size."""

import torch
from torch import Tensor
from torch.nn import functional as F

CONTROLS = ("random", "constant", "one_hot")


def make_control(kind: str, number: str, classes: int, texts: int, like: Tensor | None) -> tuple[Tensor, str]:
    """Return vectors (N, E) of the mean length of those they replace, and what they are.

    Args:
        kind: "random" (a direction of its own for each text), "constant" (one vector, the same in all places), or
            "one_hot" (the number of the organ or class, and nothing else).
        number: the seed of "random", the first place of "one_hot"; "" for 0.
        classes: organs or classes of the texts.
        texts: N, of all classes.
        like: the embedding (P, E), (C - 1, P, E) or (O, C - 1, P, E) that is replaced.

    Raises:
        ValueError: when `number` is none, or `like` is missing or of other texts.
    """
    if like is None:
        raise ValueError(f"encoder: {kind} needs --like FILE.safetensors, the embedding that it replaces")
    if number and (not number.isdecimal() or kind == "constant"):
        raise ValueError(f"encoder: {kind}:{number} must be random:SEED, one_hot:PLACE or constant")
    shape = (like[..., 0, 0].numel(), *like.shape[-2:])
    if shape[:2] != (classes, texts // classes):
        have = f"{classes} x {texts // classes}"
        raise ValueError(f"like: must have as many texts as the texts file, {have}, got {shape[0]} x {shape[1]}")
    first, size = int(number or 0), shape[2]
    if kind == "random":
        drawn = torch.randn(texts, size, generator=torch.Generator().manual_seed(first))
    elif kind == "constant":
        drawn = torch.ones(texts, size)
    elif first + classes > size:
        raise ValueError(f"encoder: one_hot:{first} needs {first + classes} places, like has vectors of {size}")
    else:
        places = torch.arange(classes).repeat_interleave(texts // classes) + first
        drawn = F.one_hot(places, size).float()
    return F.normalize(drawn, dim=1) * torch.linalg.vector_norm(like, dim=-1).mean(), "none: a control"
