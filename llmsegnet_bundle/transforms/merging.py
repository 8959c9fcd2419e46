"""From the numbers of label files to classes."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from llmsegnet_bundle.cases import LabelValues
from llmsegnet_bundle.cases.values import label_values


class MergeLabelsd(MapTransform):
    """Put the class in the place of each stored number.

    Args:
        keys: of labels that hold whole numbers.
        values: what the numbers stand for; a count of them leaves labels as they are.
        allow_missing_keys: pass over what has no label.

    Shape:
        (1, H, W, D), unchanged.
    """

    def __init__(self, keys: KeysCollection, values: int | LabelValues, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        classes = label_values(values).classes
        self.classes = torch.tensor([classes[number] for number in sorted(classes)])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            merged = self.classes[torch.as_tensor(result[key]).long()].to(result[key].dtype)
            result[key] = MetaTensor(merged, meta=result[key].meta)
        return result
