"""Which of several organs a scan is asked for, as the networks take it."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform


class OrganIndexd(Transform):
    """Turn the name under "organ" into its number, (1,); without several organs into nothing.

    Args:
        organs: names in the order of the embedding; none for a network of one organ.
        organ: of scans that name none.
    """

    def __init__(self, organs: Sequence[str], organ: str | None = None) -> None:
        self.organs, self.organ = list(organs), organ

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        name = result.pop("organ", self.organ)
        return result | {"organ": torch.tensor([self.organs.index(name)])} if self.organs else result
