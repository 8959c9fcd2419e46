"""One DICOM series out of the files of a case, its slices in order and none missing."""

from collections.abc import Sequence
from pathlib import Path

import itk
import numpy as np

STEP_TOLERANCE_MM = 0.01  # positions are written with few digits


def series_files(files: Sequence[str]) -> list[str]:
    """Return the files of the one series, sorted by position; file names do not matter.

    Raises:
        ValueError: when there is none or several, slices are missing or doubled, or they are sheared (gantry tilt).
    """
    series: dict[str, list[str]] = {}
    for folder in sorted({str(Path(file).parent) for file in files}):
        names = itk.GDCMSeriesFileNames.New()
        names.SetUseSeriesDetails(True)  # also parts a localizer that shares the series' identifier
        names.SetDirectory(folder)
        series |= {f"{uid} in {folder}": list(names.GetFileNames(uid)) for uid in names.GetSeriesUIDs()}
    if len(series) != 1:
        told = ", ".join(f"{uid} ({len(parts)} files)" for uid, parts in series.items()) or Path(files[0]).parent
        raise ValueError(f"{len(series)} DICOM series, must be one: {told}; leave that of the scan alone in its folder")
    ((name, ordered),) = series.items()
    _check_steps(name, ordered)
    return ordered


def _check_steps(name: str, files: Sequence[str]) -> None:
    if len(files) < 2:
        raise ValueError(f"series {name} has one slice; download the series again")
    places, normal = zip(*(_place(file) for file in files), strict=True)
    walk = np.diff(np.array(places), axis=0)
    steps = np.linalg.norm(walk, axis=1)
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) > STEP_TOLERANCE_MM + 0.01 * usual:
        pair = f"{Path(files[worst]).name} and {Path(files[worst + 1]).name}"
        raise ValueError(
            f"series {name}: {steps[worst]:.4g} mm between {pair}, {usual:.4g} mm between others; "
            "slices are missing or doubled, download the series again"
        )
    if np.abs(np.abs(walk @ normal[0]) - steps).max() > STEP_TOLERANCE_MM:
        raise ValueError(f"series {name}: slices are sheared (gantry tilt); resample it to a right-angled grid first")


def _place(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of a slice and its normal, both LPS."""
    header = itk.GDCMImageIO.New()
    header.SetFileName(file)
    header.ReadImageInformation()
    return np.array([header.GetOrigin(i) for i in range(3)]), np.array(header.GetDirection(2))
