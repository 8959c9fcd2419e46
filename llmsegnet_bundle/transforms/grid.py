"""The working grid: coarser or finer than a scan, over the same extent; answers come back from it voxel by voxel."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.transforms import InvertibleTransform, MapTransform
from monai.transforms.utils import scale_affine
from monai.utils import convert_to_dst_type
from skimage.transform import resize_local_mean
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.scans.geometry import check_spacing_mm


class WorkingGridd(MapTransform, InvertibleTransform):
    """Bring scans to a spacing by averaging what lies in a voxel, and labels to the fraction of each class in it.

    Averaging, not picking: half the resolution then loses nothing that a label can show (Dice 0.99 with itself; picked
    voxels have 0.96). The working grid has a whole number of voxels over the extent of the scan, so that its spacing is
    `spacing_mm` to rounding and its first voxel is centered half a working voxel from the scan's border. Along an axis
    on which the scan is coarser it is interpolated linearly, as are probabilities on their way back (`inverse`).

    Args:
        keys: of the image, and of a label or not.
        spacing_mm: of the working grid, one value an axis.
        label_key: the key that holds class indices.
        classes: C, of the label.
        allow_missing_keys: skip keys that an item lacks.

    Shape:
        image (K, H, W, D) -> (K, h, w, d); label (1, H, W, D) of class indices -> fractions (C, h, w, d); in `inverse`,
        probs (C, h, w, d) -> (C, H, W, D), class by class.

    Raises:
        ValueError: when `spacing_mm` is not three numbers above 0.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spacing_mm: Sequence[float],
        label_key: str = "label",
        classes: int = 2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_spacing_mm(spacing_mm)
        self.spacing_mm = list(spacing_mm)
        self.label_key = label_key
        self.classes = classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            size = working_size(volume.shape[1:], affine_to_spacing(volume.affine), self.spacing_mm)
            if key == self.label_key:
                fractions = [resize((volume == c).float(), size) for c in range(self.classes)]
                result[key] = self._traced(torch.cat(fractions), volume, size)
            else:
                result[key] = self._traced(resize(volume, size), volume, size)
        return result

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            size = self.pop_transform(volume)["orig_size"]
            scale = scale_affine(volume.shape[1:], size, align_corners=False)
            scan = MetaTensor(resize(volume, size)).copy_meta_from(volume)
            scan.affine = volume.affine @ torch.as_tensor(scale, dtype=volume.affine.dtype)
            result[key] = scan
        return result

    def _traced(self, resized: Tensor, volume: Tensor, size: Sequence[int]) -> Tensor:
        meta = self.track_transform_meta(
            volume,
            sp_size=size,
            affine=scale_affine(volume.shape[1:], size, align_corners=False),
            orig_size=tuple(volume.shape[1:]),
            transform_info=self.get_transform_info(),
        )
        return MetaTensor(resized).copy_meta_from(meta)


def working_size(size_voxel: Sequence[int], spacing_mm: Sequence[float], working_mm: Sequence[float]) -> list[int]:
    """Return the size of the working grid of a scan, at least 1 voxel an axis."""
    sides = zip(size_voxel, spacing_mm, working_mm, strict=True)
    return [max(1, round(int(side) * float(step) / float(working))) for side, step, working in sides]


def resize(volume: Tensor, size: Sequence[int]) -> Tensor:
    """Return a volume over the same extent in another number of voxels: means where fewer, linear where more.

    Args:
        volume: (K, H, W, D).
        size: (h, w, d).

    Returns:
        (K, h, w, d) float32, a plain tensor.
    """
    resized = torch.empty(len(volume), *size)
    coarser = [min(new, old) for new, old in zip(size, volume.shape[1:], strict=True)]
    for channel, plane in zip(resized, volume, strict=True):  # one after the other, as classes may be many
        plain = torch.as_tensor(plane).float()
        means = resize_local_mean(plain.cpu().numpy(), coarser, preserve_range=True, grid_mode=True)
        whole = convert_to_dst_type(means, plain)[0][None, None]
        channel.copy_(F.interpolate(whole, size=list(size), mode="trilinear", align_corners=False)[0, 0])
    return resized
