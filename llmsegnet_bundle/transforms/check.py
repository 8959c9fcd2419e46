"""Checks of scans on their way to a network."""

import math
from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, ScaleIntensityRangePercentilesd
from monai.transforms.utils_pytorch_numpy_unification import percentile
from torch import Tensor

from llmsegnet_bundle.scans import check_varies


class CheckScand(MapTransform):
    """Refuse a scan that a network cannot take, before anything is computed from it.

    Args:
        keys: of channel-first scans.
        channels: what they must have.

    Shape:
        (C, H, W, D), unchanged.

    Raises:
        ValueError: when a scan is not 3-D with `channels` channels, holds NaN or infinite voxels, or one value alone.
    """

    def __init__(self, keys: KeysCollection, channels: int) -> None:
        super().__init__(keys)
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Mapping[Hashable, Tensor]:
        for key in self.key_iterator(dict(data)):
            channels, *sides = data[key].shape
            file = file_of(data[key])
            if len(sides) != 3 or channels != self.channels or min(sides) < 2:
                raise ValueError(f"{file} must be 3-D with {self.channels} channels, got {channels} of shape {sides}")
            check_varies(data[key], file)
        return data


class CheckPercentilesd(MapTransform):
    """Refuse a scan that has one value from the lower to the upper percentile of what scales by them.

    MONAI would leave the numbers of such a scan as large as they are. A channel of one value alone, as of a sequence
    that was not taken, passes.

    Args:
        scaler: the transform that comes next.

    Shape:
        (C, H, W, D), unchanged.

    Raises:
        ValueError: for such a scan.
    """

    def __init__(self, scaler: ScaleIntensityRangePercentilesd) -> None:
        super().__init__(scaler.keys, scaler.allow_missing_keys)
        self.scaler = scaler.scaler

    def __call__(self, data: Mapping[Hashable, Tensor]) -> Mapping[Hashable, Tensor]:
        for key in self.key_iterator(dict(data)):
            for channel in data[key] if self.scaler.channel_wise else [data[key]]:
                found = percentile(channel, (self.scaler.lower, self.scaler.upper))
                lower, upper = torch.as_tensor(found).tolist()
                if _same(lower, upper) and not _same(float(channel.min()), float(channel.max())):
                    raise ValueError(
                        f"{file_of(data[key])} has the value {lower:g} from its {self.scaler.lower:g} % to its "
                        f"{self.scaler.upper:g} % point, which tells no scale; leave it out, or give other "
                        "intensity_transforms"
                    )
        return data


def _same(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-5)  # averaging to a working grid rounds, to 1e-7


def file_of(volume: Tensor) -> str:
    """Return the name of the file that a tensor was loaded from, for an error."""
    return str(getattr(volume, "meta", {}).get("filename_or_obj", "the scan"))
