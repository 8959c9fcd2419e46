"""Class fractions in a byte a class, as they are kept between the crops of a training."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor

WHOLE = 255  # of a voxel


class CompactFractionsd(MapTransform):
    """Keep the fractions of the classes but the background, in 255ths: an eighth of float32 at 2 classes.

    Shape:
        fractions (C, H, W, D) -> uint8 (C - 1, H, W, D), a plain tensor; `fractions` turns it back.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            foreground = convert_to_tensor(result[key], track_meta=False)[1:]
            result[key] = torch.stack([(plane * WHOLE).round().to(torch.uint8) for plane in foreground])
        return result


def fractions(foreground: Tensor) -> Tensor:
    """Return the fractions (C, ...) of all classes from those (C - 1, ...) that are not the background, in 255ths."""
    foreground = foreground / WHOLE
    return torch.cat([(1 - foreground.sum(dim=0, keepdim=True)).clamp(min=0), foreground])
