"""Masks as DICOM SEG: beside the series they are of, with codes that say which structure each segment is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmsegnet_bundle.files import whole_file
from llmsegnet_bundle.scans.dicom import series_slices
from llmsegnet_bundle.scans.geometry import is_same_grid
from llmsegnet_bundle.scans.reading import read_scan

NEEDED = ("FrameOfReferenceUID", "PatientID", "StudyInstanceUID", "SOPClassUID")


class Segment(NamedTuple):
    """What a class of a mask is: its name, and its category and type as (SNOMED CT code, meaning)."""

    name: str
    category: tuple[str, str]
    kind: tuple[str, str]


def import_highdicom() -> Any:
    """Return the package that writes DICOM SEG.

    Raises:
        ValueError: when it is not installed.
    """
    try:
        import highdicom
    except ImportError:
        raise ValueError('DICOM SEG needs highdicom: pip install "llmsegnet-bundle[dicom]"') from None
    return highdicom


def write_dicom_seg(
    mask: np.ndarray,
    affine: np.ndarray,
    series: Path,
    file: Path,
    segments: Sequence[Segment],
    model: str,
    version: str,
) -> None:
    """Write a mask as a binary DICOM SEG that refers to the slices of its series; whole or not at all.

    Args:
        mask: (H, W, D) of classes, 0 the background, on the grid of the series.
        affine: of the mask, in RAS mm.
        series: folder of the DICOM files.
        file: `.dcm`.
        segments: of the classes 1, 2, ...
        model: name of the network that made the mask.
        version: of that.

    Raises:
        ValueError: when the mask lies on another grid, holds a class without a segment, or the series lacks what a
            SEG must repeat.
    """
    highdicom = import_highdicom()
    import pydicom
    from pydicom.sr.coding import Code

    voxels, own = read_scan(series)
    if mask.shape != voxels.shape or not is_same_grid(own, affine, mask.shape):
        raise ValueError(f"{series}: the mask lies on another grid than the series")
    if mask.max() > len(segments):
        raise ValueError(f"{series}: the mask holds class {mask.max()}, which has no code; {len(segments)} have one")
    slices = series_slices([str(path) for path in series.iterdir()])
    sources = [pydicom.dcmread(one.file, stop_before_pixels=True) for one in slices]
    if missing := [name for name in NEEDED if name not in sources[0]]:
        raise ValueError(f"{series} has no {missing[0]}, which a DICOM SEG must repeat; get the series again")
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=model, version=version, family=Code("123110", "DCM", "Artificial Intelligence")
    )
    told = [
        highdicom.seg.SegmentDescription(
            segment_number=i,
            segment_label=one.name,
            segmented_property_category=Code(one.category[0], "SCT", one.category[1]),
            segmented_property_type=Code(one.kind[0], "SCT", one.kind[1]),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for i, one in enumerate(segments, start=1)
    ]
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=np.ascontiguousarray(mask.T.astype(np.uint8)),  # (slice, row, column)
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=told,
        series_instance_uid=highdicom.UID(),
        series_number=300,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="LLM-SegNet bundles",
        manufacturer_model_name=model[:64],
        software_versions=version,
        device_serial_number="1",
        content_label="SEGMENTATION",
        content_description="Automatic; research only",
        omit_empty_frames=bool(mask.any()),
    )
    with whole_file(file) as part:
        seg.save_as(part)
