"""Training crops, drawn with rotation, scale and mirror in one resampling."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, RandRotate90d, Rotate90d
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.transforms.compact import fractions


class AffineCropd(Randomizable, MapTransform):
    """Draw a crop from anywhere in a scan, turned, scaled and mirrored, in one linear resampling of all keys.

    A voxel p of the crop, counted from its center, is taken from c + S^-1 M R_z R_y R_x e^s S p, with S the spacing, s
    uniform in [-scale, scale], the angles in [-rotate_deg, rotate_deg], M the mirror and c uniform over the scan; a
    crop that is neither turned nor scaled lies on whole voxels. Only the part of the scan around it is read. Outside
    of the scan the image is 0 and the class background.

    Args:
        keys: "image", and others that hold C channels of class fractions, or several networks' one after the other, or
            uint8 of `CompactFractionsd`.
        size: (h, w, d) of the crop.
        spacing_mm: of the scan's voxels, so that angles are true on an anisotropic grid.
        rotate_deg: the largest angle about each axis.
        scale: the largest logarithm of the factor.
        mirror: probability of each axis to be mirrored.
        classes: C, of the other keys.
        allow_missing_keys: skip keys that an item lacks.

    Shape:
        (K, H, W, D) -> (K, h, w, d), float32, on the device of the scan; uint8 (C - 1, H, W, D) -> (C, h, w, d).

    Raises:
        ValueError: when `rotate_deg`, `scale` or `mirror` is negative or `mirror` above 1.
    """

    def __init__(
        self,
        keys: KeysCollection,
        size: Sequence[int],
        spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
        rotate_deg: Sequence[float] = (15.0, 15.0, 30.0),
        scale: float = 0.25,
        mirror: Sequence[float] = (0.5, 0.0, 0.0),
        classes: int = 2,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        for name, values, most in (("rotate_deg", rotate_deg, 180), ("scale", [scale], 2), ("mirror", mirror, 1)):
            if not all(0 <= value <= most for value in values):
                raise ValueError(f"{name}: must be in 0 .. {most}, got {values[0] if name == 'scale' else values}")
        self.size = [int(side) for side in size]
        self.spacing_mm = np.asarray(spacing_mm, dtype=float)
        self.rotate_deg, self.scale, self.mirror = rotate_deg, scale, mirror
        self.classes = classes

    def randomize(self, shape: Sequence[int]) -> None:
        """Draw the matrix (3, 3) and the center (3,), in voxels from the middle of the scan, of the next crop."""
        turn = np.eye(3)
        for axis, most in enumerate(self.rotate_deg):
            angle = math.radians(self.R.uniform(-most, most))
            i, j = [other for other in range(3) if other != axis]
            about = np.eye(3)
            about[[i, j], [i, j]] = math.cos(angle)
            about[i, j], about[j, i] = -math.sin(angle), math.sin(angle)
            turn = about @ turn
        factor = math.exp(self.R.uniform(-self.scale, self.scale))
        signs = np.where(self.R.random_sample(3) < self.mirror, -1.0, 1.0)
        self.matrix = (signs / self.spacing_mm)[:, None] * (turn * factor) * self.spacing_mm
        room = np.maximum(np.subtract(shape, self.size), 0) / 2
        self.center = self.R.uniform(-room, room)
        if not any(self.rotate_deg) and not self.scale:
            corner = self.center + np.subtract(shape, self.size) / 2
            whole = np.minimum(np.floor(corner * (2 * room + 1) / np.maximum(2 * room, 1)), 2 * room)
            self.center += np.where(room > 0, whole, np.floor(corner)) - corner

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        keys = list(self.key_iterator(result))
        shape = result[keys[0]].shape[1:]
        self.randomize(shape)
        box, grid = self._sampling(shape, result[keys[0]].device)
        for key in keys:
            part = result[key][(slice(None), *box)]
            crop = F.grid_sample(part.float()[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[
                0
            ]
            if part.dtype == torch.uint8:
                result[key] = fractions(crop)
            else:
                result[key] = crop if key == "image" else self._with_background(crop)
        return result

    def _sampling(self, shape: Sequence[int], device: torch.device) -> tuple[list[slice], Tensor]:
        """Return the box of the scan that the crop needs, and where in it the voxels of the crop lie."""
        middle = np.asarray(shape) / 2 + self.center  # in voxels from the scan's corner
        reach = np.abs(self.matrix) @ (np.asarray(self.size) / 2) + 1  # of a turned crop, and a voxel to interpolate
        low = np.clip(np.floor(middle - reach), 0, np.asarray(shape) - 1).astype(int)
        high = np.clip(np.ceil(middle + reach), low + 1, shape).astype(int)
        half = (high - low) / 2
        matrix = self.matrix * (np.asarray(self.size) / 2) / half[:, None]  # normalized coordinates of both
        theta = np.concatenate([matrix, ((middle - low - half) / half)[:, None]], axis=1)
        theta[:, :3] = theta[::-1, 2::-1]  # grid_sample counts axes from the last
        theta[:, 3] = theta[::-1, 3]
        grid = F.affine_grid(
            torch.as_tensor(theta, dtype=torch.float32, device=device)[None], [1, 1, *self.size], align_corners=False
        )
        return [slice(*edges) for edges in zip(low, high, strict=True)], grid

    def _with_background(self, crop: Tensor) -> Tensor:
        networks = crop.unflatten(0, (-1, self.classes))  # (N, C, h, w, d)
        networks[:, 0] += 1 - networks.sum(dim=1)
        return crop


def check_turns(transforms: Sequence[Any], crop: Sequence[int]) -> None:
    """Raise ValueError when one of `transforms` turns crops by right angles in a plane whose sides differ."""
    for transform in transforms:
        if isinstance(transform, RandRotate90d | Rotate90d):
            turning = transform.rotator if isinstance(transform, Rotate90d) else transform
            first, second = turning.spatial_axes
            if crop[first] != crop[second]:
                raise ValueError(
                    f"crop: {type(transform).__name__} of augment_transforms turns {list(crop)} to another shape; make "
                    f"sides {first % 3 + 1} and {second % 3 + 1} equal, or leave it out"
                )
