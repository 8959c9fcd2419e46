"""The mask of a DICOM series as DICOM SEG, coded as the bundle says."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from llmsegnet_bundle.documents import read_metadata
from llmsegnet_bundle.scans import case_name
from llmsegnet_bundle.scans.dicom_seg import Segment, import_highdicom, write_dicom_seg
from llmsegnet_bundle.scans.writing import DICOM_SEG, case_file


class SaveDicomSegd(MapTransform):
    """Save a mask as `<output_dir>/<case>_seg.dcm`, a DICOM SEG that refers to the slices of its series.

    Args:
        keys: of the mask (1, H, W, D), on the grid of the series. The data's `name` is that of the case; without one it
            is that of the series' folder.
        output_dir: made when missing.
        format: "dicom-seg"; "nifti" saves nothing.
        bundle_root: of the bundle whose classes and codes these are.

    Raises:
        ValueError: when highdicom is missing, a class has no code, the scan is no series, or as `write_dicom_seg`.
    """

    def __init__(self, keys: KeysCollection, output_dir: str | Path, format: str, bundle_root: str | Path) -> None:
        super().__init__(keys)
        self.asked = format == "dicom-seg"
        if not self.asked:
            return
        import_highdicom()
        metadata = read_metadata(bundle_root)
        self.segments = coded_segments(bundle_root, metadata)
        self.model, self.version = metadata["name"], metadata["version"]
        self.output_dir = output_dir

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        for key in self.key_iterator(dict(data)) if self.asked else ():
            mask = data[key]
            series = Path(mask.meta["filename_or_obj"])
            if not series.is_dir():
                raise ValueError(f"{series} is no DICOM series; leave --format dicom-seg out")
            file = case_file(self.output_dir, data.get("name") or case_name(series), DICOM_SEG)
            voxels, affine = np.asarray(mask[0], dtype=np.uint8), np.asarray(mask.affine)
            write_dicom_seg(voxels, affine, series, file, self.segments, self.model, self.version)
        return dict(data)


def coded_segments(bundle_root: str | Path, metadata: Mapping[str, Any]) -> list[Segment]:
    """Return the segments of a bundle's classes but the background, by the SNOMED codes of its metadata.

    Raises:
        ValueError: when a class has none.
    """
    pred = metadata["network_data_format"]["outputs"]["pred"]
    names = [pred["channel_def"][str(i)] for i in range(1, len(pred["channel_def"]))]
    codes = pred.get("snomed", {})
    for name in names:
        if name not in codes:
            file = f"{bundle_root}/dataset.yaml"
            raise ValueError(f"{file}: give network_data_format#outputs#pred#snomed a code of {name!r}")
    return [Segment(name, tuple(codes[name]["category"]), tuple(codes[name]["type"])) for name in names]
