"""What a header says of the size of its voxels, before they are read: a few bytes may unpack to terabytes."""

import math
from collections.abc import Sequence

from llmsegnet_bundle.memory import machine_bytes
from llmsegnet_bundle.scans.naming import PathLike


def check_claim(path: PathLike, shape: Sequence[int], voxel_bytes: int) -> None:
    """Raise ValueError when the voxels that a file claims to hold take more memory than there is."""
    claimed, free = math.prod(map(int, shape)) * voxel_bytes, machine_bytes()
    if claimed > free:
        told = " x ".join(str(side) for side in shape)
        raise ValueError(
            f"{path} claims {told} voxels, {claimed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free; get it "
            "again if it is no such scan"
        )
