"""Series in, DICOM SEG out: the masks of inference.json, each as a SEG of its series."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import nibabel as nib
import numpy as np

from llmsegnet_bundle.cases.sources import images
from llmsegnet_bundle.files import refuse_input
from llmsegnet_bundle.inference.segmenter import segment_files
from llmsegnet_bundle.scans.dicom_seg import Segment, import_highdicom, write_dicom_seg
from llmsegnet_bundle.scans.writing import case_file
from llmsegnet_bundle.sharing import find_bundle


def segment_to_dicom(
    source: str | Path, output_dir: str | Path, bundle: str | Path = "left_atrium", **settings: Any
) -> None:
    """Write `NAME_seg.dcm`, a DICOM SEG, for each DICOM series of a folder.

    Args:
        source: the folder of a series, or a folder of such.
        output_dir: gets the files.
        bundle: name or folder.
        settings: ids of inference.json.

    Raises:
        ValueError: as `segment_files`, when a scan is no DICOM series or a class has no code, highdicom is missing, or
            at the end with a line for each series that failed.
    """
    import_highdicom()
    folder = find_bundle(bundle)
    metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    segments = coded_segments(folder, metadata)
    cases = images(source)
    for case in cases:
        if not Path(case["image"]).is_dir():
            raise ValueError(f"{case['image']} is no DICOM series; segment it without --format dicom-seg")
    failed = []
    with TemporaryDirectory() as place:
        try:
            segment_files(source, place, bundle, **settings)
        except ValueError as error:  # of some scans; the others are done
            failed.append(str(error))
        for case in cases:
            file = case_file(place, case["name"], "seg")
            if not file.is_file():
                continue
            mask = cast(nib.Nifti1Image, nib.load(file))
            target = Path(output_dir) / f"{case['name']}_seg.dcm"
            voxels, affine = np.asarray(mask.dataobj), np.asarray(mask.affine)
            try:
                refuse_input(target, [case["image"]])
                write_dicom_seg(
                    voxels, affine, Path(case["image"]), target, segments, metadata["name"], metadata["version"]
                )
            except ValueError as error:
                failed.append(str(error))
    if failed:
        raise ValueError("\n".join(failed))


def coded_segments(folder: Path, metadata: dict[str, Any]) -> list[Segment]:
    """Return the segments of a bundle's classes but the background, by the SNOMED codes of its metadata.

    Raises:
        ValueError: when a class has none.
    """
    pred = metadata["network_data_format"]["outputs"]["pred"]
    names = [pred["channel_def"][str(i)] for i in range(1, len(pred["channel_def"]))]
    codes = pred.get("snomed", {})
    for name in names:
        if name not in codes:
            raise ValueError(f"{folder}/dataset.yaml: give network_data_format#outputs#pred#snomed a code of {name!r}")
    return [Segment(name, tuple(codes[name]["category"]), tuple(codes[name]["type"])) for name in names]
