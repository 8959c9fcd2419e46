"""From a preprocessed image to maps on the grid of its file, in memory that hardly grows with classes and slices."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from operator import itemgetter
from typing import Any

import torch
from monai.data import MetaTensor
from monai.data.utils import collate_meta_tensor_fn
from monai.inferers import Inferer
from monai.transforms import Compose
from monai.transforms.utils import allow_missing_keys_mode, convert_applied_interp_mode
from monai.utils import TraceKeys
from torch import Tensor

from llmsegnet_bundle.inference.windows import BYTES_PER_VOXEL
from llmsegnet_bundle.precision import free_bytes
from llmsegnet_bundle.transforms import WorkingGridd
from llmsegnet_bundle.transforms.check import file_of
from llmsegnet_bundle.transforms.grid import PART_BYTES, resize_slabs

PARTS = (1, 2, 4, 8)  # of a row of windows


class MapInferer(Inferer):
    """Answer an image with the class of each voxel of its file, or with several maps.

    Probabilities come in slabs along the last axis. Each goes back to the scan's grid and becomes maps before the next
    one is computed, so that those of a whole scan are never in memory. Only where a step after the working grid moved
    voxels, such as a crop, it is undone on all of them.

    Where memory does not hold what a scan takes, a line tells so beforehand, and each row of windows is asked in parts
    along that axis: the same answer in less memory, and as many times as long.

    Args:
        probs: `ProbabilityInferer`, or another one, whose answer is taken as one slab.
        transform: the preprocessing that the images went through.
        answer: makes maps of a slab's {"pred": probabilities}: "pred", the class of each voxel, and perhaps others.
        classes: C.
        key: of the image in the preprocessing.

    Shape:
        image (1, K, h, w, d) -> classes (1, 1, H, W, D) on the grid of its file, on the CPU; or a dict of them and of
        the other maps, (1, k, H, W, D) each. An image without metadata has its own grid.

    Raises:
        ValueError: for several images at once.
    """

    def __init__(
        self,
        probs: Inferer,
        transform: Compose,
        answer: Callable[[dict[str, Tensor]], Mapping[str, Tensor]],
        classes: int,
        key: str = "image",
    ) -> None:
        super().__init__()
        self.probs: Any = probs
        self.answer, self.key = answer, key
        self.channels = classes * (2 if getattr(probs, "members", False) else 1)
        steps = list(transform.flatten().transforms)
        at = max((i for i, step in enumerate(steps) if isinstance(step, WorkingGridd)), default=-1)
        self.grid = steps[at] if at >= 0 else None
        self.before, self.after = Compose(steps[: max(at, 0)]), Compose(steps[at + 1 :])

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if len(inputs) != 1:
            raise ValueError(f"image: must be one at a time, as scans differ in size, got {len(inputs)}")
        meta = MetaTensor(torch.empty(0)).copy_meta_from(inputs[0])
        meta.applied_operations = deepcopy(meta.applied_operations)  # undoing a crop empties its record
        size = tuple(inputs.shape[2:])
        slabs: Iterable[Tensor]
        in_slabs = hasattr(self.probs, "slabs") and self._on_working_grid(meta)
        parts = self._parts(inputs, meta, in_slabs)
        if in_slabs:  # map keeps no slab beyond its turn, as a generator would
            slabs = map(itemgetter(0), self.probs.slabs(inputs, network, *args, parts=parts, **kwargs))
        else:
            whole = MetaTensor(torch.as_tensor(self.probs(inputs, network, *args, **kwargs))[0]).copy_meta_from(meta)
            if not self._on_working_grid(meta):
                whole = self._undo(self.after, whole)
            slabs, meta, size = [whole.as_tensor()], MetaTensor(torch.empty(0)).copy_meta_from(whole), whole.shape[1:]
        if meta.applied_operations and self.grid is not None:
            depth = size[2]
            size, meta = self.grid.scan_grid(meta, size)
            slabs = resize_slabs(slabs, depth, size)
        as_batch = getattr(inputs, "is_batch", False)
        found = self._maps(slabs, size)
        maps = {name: _one_of_batch(self._on_file(part, meta), as_batch) for name, part in found.items()}
        return maps if len(maps) > 1 else maps["pred"]

    def _parts(self, inputs: Tensor, meta: MetaTensor, in_slabs: bool) -> int:
        """Return how many parts a row of windows is asked in: as few as memory holds, and tell it if several."""
        free = free_bytes("cpu")
        may_part = in_slabs and inputs.device.type == "cpu" and inputs.shape[-1] >= self.probs.window[2]
        able = [parts for parts in PARTS if self.probs.window[2] % parts == 0] if may_part else [1]
        needs = {parts: self.bytes_needed(inputs, meta, in_slabs, parts) for parts in able}
        parts = next((parts for parts, need in needs.items() if need <= free), able[-1])
        if needs[1] > free:
            sides = " x ".join(str(side) for side in inputs.shape[2:])
            scan = f"{file_of(meta)} with {sides} voxels on the working grid"
            way = f"; it is asked in {parts} parts along z, in {needs[parts] / 1e9:.1f} GB and {parts} times as long"
            print(
                f"warning: {scan} needs about {needs[1] / 1e9:.1f} GB more, {free / 1e9:.1f} GB are free"
                f"{way if parts > 1 else ''}; a coarser spacing_mm, a flatter window or fewer maps need less",
                file=sys.stderr,
            )
        return parts

    def bytes_needed(self, inputs: Tensor, meta: MetaTensor, in_slabs: bool, parts: int = 1) -> int:
        """Return about how much memory of the machine an answer takes beside the image."""
        *sides, depth = inputs.shape[2:]
        of_map = self.answer({"pred": torch.ones(self.channels, 1, 1, 1)}).values()
        grids = [done for done in meta.applied_operations if done[TraceKeys.CLASS_NAME] == WorkingGridd.__name__]
        size = grids[-1][TraceKeys.ORIG_SIZE] if grids else inputs.shape[2:]
        maps = math.prod(size) * sum(len(part) * part.element_size() for part in of_map)
        held, window = 2 * depth, 0  # slices of all classes
        if in_slabs:  # those of a part, and what the next row shares with this one
            deep = self.probs.window[2]
            held = min(depth, deep // parts + deep - self.probs.strides(inputs.shape[2:])[2])
            window = math.prod(self.probs.window) * (BYTES_PER_VOXEL + 3 * 4 * self.channels)
        stitched = 4 * self.channels * math.prod(sides) * held + window if inputs.device.type == "cpu" else 0
        return maps + stitched + min(4 * PART_BYTES, 4 * 4 * self.channels * math.prod(size))

    def _on_working_grid(self, meta: MetaTensor) -> bool:
        done = meta.applied_operations
        return not done or (self.grid is not None and done[-1][TraceKeys.CLASS_NAME] == type(self.grid).__name__)

    def _maps(self, slabs: Iterable[Tensor], size: Sequence[int]) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = {}
        done = 0
        for slab in slabs:
            for name, part in self.answer({"pred": slab}).items():
                if not done:
                    maps[name] = torch.empty(len(part), *size, dtype=part.dtype)
                maps[name][..., done : done + part.shape[-1]] = torch.as_tensor(part)
            done += slab.shape[-1]
            del slab, part  # before the next one is computed
        return maps

    def _on_file(self, volume: Tensor, meta: MetaTensor) -> MetaTensor:
        traced = MetaTensor(volume).copy_meta_from(meta)
        if not volume.is_floating_point():  # classes have no means
            traced.applied_operations = convert_applied_interp_mode(traced.applied_operations, "nearest")
        return self._undo(self.before, traced) if traced.applied_operations else traced

    def _undo(self, steps: Compose, volume: MetaTensor) -> MetaTensor:
        with allow_missing_keys_mode(steps):
            return steps.inverse({self.key: volume})[self.key]


def _one_of_batch(volume: MetaTensor, as_batch: bool) -> MetaTensor:
    meta = volume
    if as_batch:
        meta = collate_meta_tensor_fn([MetaTensor(torch.empty(0)).copy_meta_from(volume)])  # stacks no volume
    return MetaTensor(volume.as_tensor()[None]).copy_meta_from(meta)
