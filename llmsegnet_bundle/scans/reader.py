"""The reading of `scans` as a reader of MONAI's `LoadImaged`."""

from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple

from llmsegnet_bundle.scans.nifti import as_bytes
from llmsegnet_bundle.scans.reading import read_channels

HEADER = "nifti_header"  # of the metadata: what a mask takes over


class ScanReader(ImageReader):
    """Read what a scan or label is by `read_channels`, whatever other packages are installed.

    `read` only names the file: MONAI asks its other readers when it raises, and takes what this one refuses.

    Example:
        >>> LoadImaged("image", reader="llmsegnet_bundle.scans.reader.ScanReader", ensure_channel_first=True)
    """

    def verify_suffix(self, filename: Any) -> bool:
        return True

    def read(self, data: Any, **kwargs: Any) -> Any:
        return ensure_tuple(data)[0]

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the voxels, (H, W, D) or (C, H, W, D), and the metadata of the path that `read` returned."""
        volume = read_channels(img)
        several = len(volume.voxels) > 1
        meta: dict[str, Any] = {
            MetaKeys.AFFINE: volume.affine.copy(),
            MetaKeys.ORIGINAL_AFFINE: volume.affine.copy(),
            MetaKeys.SPATIAL_SHAPE: np.array(volume.voxels.shape[1:]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: 0 if several else float("nan"),  # as MONAI's own readers
            MetaKeys.SPACE: SpaceKeys.RAS,
        }
        if volume.header is not None:
            meta[HEADER] = as_bytes(volume.header)
        return volume.voxels if several else volume.voxels[0], meta
