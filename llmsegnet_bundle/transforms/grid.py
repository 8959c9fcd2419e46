"""The working grid: coarser or finer than a scan, over the same extent; answers come back from it voxel by voxel."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.transforms import InvertibleTransform, MapTransform
from monai.transforms.utils import scale_affine
from monai.utils import convert_to_dst_type, convert_to_tensor
from skimage.transform import resize_local_mean
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.scans.geometry import check_spacing_mm
from llmsegnet_bundle.transforms.check import file_of

PART_BYTES = 2**28  # of probabilities on a scan's grid at once


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
        ValueError: when `spacing_mm` is not three numbers above 0, or a scan is less than half a working voxel long.
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
            own_mm = affine_to_spacing(volume.affine)
            _check_extent(volume, own_mm, self.spacing_mm)
            size = working_size(volume.shape[1:], own_mm, self.spacing_mm)
            if key == self.label_key:
                fractions = [resize((volume == c).float(), size) for c in range(self.classes)]
                result[key] = self._traced(torch.cat(fractions), volume, size)
            else:
                result[key] = self._traced(resize(volume, size), volume, size)
        return result

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            size, meta = self.scan_grid(result[key], result[key].shape[1:])
            result[key] = MetaTensor(resize(result[key], size)).copy_meta_from(meta)
        return result

    def scan_grid(self, traced: MetaTensor, working: Sequence[int]) -> tuple[tuple[int, ...], MetaTensor]:
        """Return the size of the scan that was brought to a working grid, and an empty tensor with its metadata.

        Args:
            traced: with the metadata of the working grid, whose last operation was this one's.
            working: size of the working grid.
        """
        meta = MetaTensor(torch.empty(0)).copy_meta_from(traced)
        size = self.pop_transform(meta)["orig_size"]
        scale = scale_affine(working, size, align_corners=False)
        meta.affine = meta.affine @ torch.as_tensor(scale, dtype=meta.affine.dtype)
        return size, meta

    def _traced(self, resized: Tensor, volume: Tensor, size: Sequence[int]) -> Tensor:
        meta = self.track_transform_meta(
            volume,
            sp_size=size,
            affine=scale_affine(volume.shape[1:], size, align_corners=False),
            orig_size=tuple(volume.shape[1:]),
            transform_info=self.get_transform_info(),
        )
        return MetaTensor(resized).copy_meta_from(meta)


def _check_extent(volume: Tensor, own_mm: Sequence[float], working_mm: Sequence[float]) -> None:
    extent_mm = [int(side) * float(step) for side, step in zip(volume.shape[1:], own_mm, strict=True)]
    if any(extent < working / 2 for extent, working in zip(extent_mm, working_mm, strict=True)):
        told, grid = (" x ".join(f"{value:.3g}" for value in values) for values in (extent_mm, working_mm))
        advice = "correct the spacing or its unit in the header"
        raise ValueError(f"{file_of(volume)} is {told} mm in all, too small for working voxels of {grid} mm; {advice}")


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
        (K, h, w, d) float32, a plain tensor; of the same size, `volume` itself where it is one.
    """
    if tuple(volume.shape[1:]) == tuple(size):
        return convert_to_tensor(volume, dtype=torch.float32)
    resized = torch.empty(len(volume), *size)
    coarser = [min(new, old) for new, old in zip(size, volume.shape[1:], strict=True)]
    for channel, plane in zip(resized, volume, strict=True):  # one after the other, as classes may be many
        plain = torch.as_tensor(plane).float()
        means = resize_local_mean(plain.cpu().numpy(), coarser, preserve_range=True, grid_mode=True)
        whole = convert_to_dst_type(means, plain)[0][None, None]
        channel.copy_(F.interpolate(whole, size=list(size), mode="trilinear", align_corners=False)[0, 0])
    return resized


def resize_slabs(
    slabs: Iterable[Tensor], depth: int, size: Sequence[int], part_bytes: int = PART_BYTES
) -> Iterator[Tensor]:
    """Yield `resize` of a volume that comes in slabs along its last axis, in slabs too, each as soon as it is known.

    Args:
        slabs: (K, H, W, n) each.
        depth: D of them all.
        size: (h, w, d).
        part_bytes: of what is yielded at once, at most, if it has more than one slice.

    Shape:
        (K, h, w, m) float32 each, d slices in all.
    """
    weights = resize(torch.eye(depth)[:, None, None], [1, 1, size[2]])[:, 0, 0]  # (D, d): of each slice in each new one
    first, last = weights.ne(0).float().argmax(dim=0), depth - 1 - weights.flip(0).ne(0).float().argmax(dim=0)
    held, begin, done = torch.empty(0), 0, 0  # slices from begin on that new ones need
    for slab in slabs:
        held = torch.cat([held, slab], dim=-1) if held.numel() else slab
        known = int((last < begin + held.shape[-1]).sum())
        while done < known:
            stop = min(known, done + max(1, part_bytes // (4 * len(slab) * size[0] * size[1])))
            begin_part, end_part = int(first[done]), int(last[stop - 1]) + 1
            part = held[..., begin_part - begin : end_part - begin]
            if depth != size[2]:
                part = part @ weights[begin_part:end_part, done:stop].to(part)
            yield resize(part, [*size[:2], stop - done])
            del part  # else it would hold the slab while the next one is computed
            done = stop
        needed = int(first[done]) if done < size[2] else depth
        held, begin = held[..., needed - begin :].clone(), needed  # a view would hold the slab
        del slab
