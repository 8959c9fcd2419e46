"""Files of maps: where they lie, that they are whole, and that every program lays them on their scan."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import NibabelWriter

from llmsegnet_bundle.files import whole_file
from llmsegnet_bundle.scans.geometry import is_same_grid
from llmsegnet_bundle.scans.nifti import from_bytes, nifti_affine, set_geometry
from llmsegnet_bundle.scans.reader import HEADER

DICOM_SEG = "seg.dcm"  # postfix of a mask in that form
MAPS = ("entropy", "disagreement", "probs")  # postfixes of what may lie beside a mask


def case_file(output_dir: str | Path, name: str, postfix: str) -> Path:
    """Return where the map of a case lies: `<name>_<postfix>.nii.gz`, `<name>_seg.dcm` for `DICOM_SEG`."""
    ending = postfix if postfix == DICOM_SEG else f"{postfix}.nii.gz"
    return Path(output_dir) / f"{name}_{ending}"


class WholeWriter(NibabelWriter):
    """Write a NIfTI file whole or not at all; on the grid of a NIfTI scan, with both coordinate systems of its header.

    Programs differ in which of the two they take: a mask that has one of them twice lies off its scan in some.
    """

    scan_header: nib.Nifti1Header | None = None

    def __init__(self, failures: list[Exception] | None = None, **options: Any) -> None:
        """Keep in `failures` what goes wrong, in place of which MONAI tells to install writers."""
        super().__init__(**options)
        self.failures = [] if failures is None else failures

    def set_metadata(self, meta_dict: Mapping | None, resample: bool = True, **options: Any) -> None:
        meta = meta_dict or {}  # a map is never resampled here: it lies on the scan's grid already
        self.affine = np.asarray(meta.get("affine", np.eye(4)))
        block = meta.get(HEADER)
        self.scan_header = None if block is None else from_bytes(block)

    def write(self, filename: Any, verbose: bool = False, **kwargs: Any) -> None:
        try:
            with whole_file(filename) as part:
                self._write(part, verbose, **kwargs)
        except Exception as error:
            self.failures.append(error)
            raise

    def _write(self, part: Path, verbose: bool, **kwargs: Any) -> None:
        if self.scan_header is not None and self._lies_on(self.scan_header):
            voxels = np.asanyarray(self.create_backend_obj(self.data_obj, dtype=self.output_dtype).dataobj)
            image = nib.Nifti1Image(voxels, None, dtype=voxels.dtype)
            set_geometry(image.header, self.scan_header)  # a header that is handed over would be corrected
            nib.save(image, part)
        else:
            super().write(part, verbose, **kwargs)

    def _lies_on(self, header: nib.Nifti1Header) -> bool:
        shape = tuple(self.data_obj.shape[:3])
        same_size = header.get_data_shape()[:3] == shape
        return same_size and is_same_grid(nifti_affine(header), self.affine, shape)
