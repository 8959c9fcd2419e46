"""One DICOM series out of files: its slices in order, and none missing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MAGIC = b"DICM"  # after 128 bytes
STEP_TOLERANCE_MM = 0.01  # positions are written with few digits


def is_dicom(file: Path) -> bool:
    """Say whether a file is a DICOM image by its first bytes; the index DICOMDIR is none."""
    if file.name == "DICOMDIR" or not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(128 + len(MAGIC))[128:] == MAGIC


def series_files(files: Sequence[str]) -> list[str]:
    """Return the files of the one series, sorted by position; file names do not matter.

    Raises:
        ValueError: when there is none or several, a file is damaged, slices are missing or doubled, or they are sheared
            (gantry tilt).
    """
    import itk  # takes a second, and is needed for DICOM alone

    series: dict[str, list[str]] = {}
    for folder in sorted({str(Path(file).parent) for file in files}):
        names = itk.GDCMSeriesFileNames.New()  # set as in MONAI's ITKReader, which would read the first of several
        names.SetUseSeriesDetails(True)  # also parts a localizer that shares the series' identifier
        names.AddSeriesRestriction("0008|0021")
        names.SetDirectory(folder)
        series |= {f"{uid} in {folder}": list(names.GetFileNames(uid)) for uid in names.GetSeriesUIDs()}
    if len(series) != 1:
        told = ", ".join(f"{uid} ({len(parts)} files)" for uid, parts in series.items()) or Path(files[0]).parent
        raise ValueError(f"{len(series)} DICOM series, must be one: {told}; leave that of the scan alone in its folder")
    ((name, found),) = series.items()
    readable = {Path(file).name for file in found}
    for file in map(Path, files):  # GDCM leaves out what it cannot read
        if file.name not in readable and (file.suffix.lower() == ".dcm" or is_dicom(file)):
            raise ValueError(f"{file} is a damaged DICOM file; get the series again")
    if len(found) < 2:
        raise ValueError(f"series {name} has one slice; get the whole series again")
    places_mm, normals = np.split(np.array([_place_mm(file) for file in found]), 2, axis=1)  # (slices, 3) each
    order = np.argsort(places_mm @ normals[0], kind="stable")  # GDCM's own is by name where two places are the same
    _check_steps(name, [found[i] for i in order], places_mm[order], normals[0])
    return [found[i] for i in order]


def _check_steps(name: str, files: Sequence[str], places_mm: np.ndarray, normal: np.ndarray) -> None:
    walk_mm = np.diff(places_mm, axis=0)
    steps_mm = np.linalg.norm(walk_mm, axis=1)
    usual_mm = float(np.median(steps_mm))
    worst = int(np.abs(steps_mm - usual_mm).argmax())
    if abs(steps_mm[worst] - usual_mm) > STEP_TOLERANCE_MM + 0.01 * usual_mm or usual_mm == 0:
        pair = f"{Path(files[worst]).name} and {Path(files[worst + 1]).name}"
        raise ValueError(
            f"series {name}: {steps_mm[worst]:.4g} mm between {pair}, {usual_mm:.4g} mm between others; "
            "slices are missing, doubled or without a position; get the series again"
        )
    if np.abs(np.abs(walk_mm @ normal) - steps_mm).max() > STEP_TOLERANCE_MM:
        raise ValueError(f"series {name}: slices are sheared (gantry tilt); resample it to a right-angled grid first")


def _place_mm(file: str) -> list[float]:
    """Return the position of a slice and its normal, both LPS."""
    import itk

    header = itk.GDCMImageIO.New(FileName=file)
    header.ReadImageInformation()
    return [*(header.GetOrigin(i) for i in range(3)), *header.GetDirection(2)]
