"""One DICOM series out of files: slices of one kind, in order, and none missing."""

import contextlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmsegnet_bundle.scans.dicom_kinds import is_dicom, is_enhanced
from llmsegnet_bundle.scans.itk_files import ONE_AT_A_TIME, import_itk, read_itk

STEP_TOLERANCE_MM = 0.01  # positions are written with few digits
DIGITS = 3  # of cosines and spacings that are compared
NEEDED = {"0028|0030": "pixel spacing", "0020|0037": "orientation", "0020|0032": "position"}  # GDCM makes up others


class Slice(NamedTuple):
    """The header of a slice: position and axes (row, column, normal) in LPS, pixels, the type of its numbers."""

    file: str
    place_mm: np.ndarray
    axes: np.ndarray
    spacing_mm: tuple[float, float]
    size: tuple[int, int]
    kind: int


def read_series(files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels (H, W, D) of the one series among files, each slice by its own rescale slope and intercept.

    Raises:
        ValueError: as `series_slices`, or when a slice is unreadable.
    """
    with ONE_AT_A_TIME:
        return _read_series(files)


def _read_series(files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    itk = import_itk()
    slices = series_slices(files)
    kinds = {one.kind for one in slices}
    floats = (itk.CommonEnums.IOComponent_FLOAT, itk.CommonEnums.IOComponent_DOUBLE)
    # ITK gives all slices the type of the first, which may cut the numbers of the others
    same = len(kinds) == 1 and not kinds & set(floats)
    return read_itk([one.file for one in slices], None if same else itk.F)


def series_slices(files: Sequence[str]) -> list[Slice]:
    """Return the slices of the one series among files, sorted by position; file names do not matter.

    Raises:
        ValueError: when there is no series or several, a file is damaged, holds several frames or does not say where it
            lies, slices are missing, doubled, turned, mirrored or of another pixel spacing, or they are sheared
            (gantry tilt).
    """
    name, found = _one_series(files)
    readable = {Path(file).name for file in found}
    for file in map(Path, files):  # GDCM leaves out what it cannot read
        if file.name not in readable and is_dicom(file):
            raise ValueError(f"{file} is a damaged DICOM file; get the series again")
    slices = [_read_header(file) for file in found]
    if len(slices) < 2:
        raise ValueError(f"series {name} has one slice; get the whole series again")
    _check_alike(name, slices, lambda one: one.size, "size in pixels")
    _check_alike(name, slices, lambda one: _rounded(one.spacing_mm), "pixel spacing in mm")
    _check_turns(name, slices)
    places = np.array([one.place_mm for one in slices]) @ slices[0].axes[2]
    slices = [slices[i] for i in np.argsort(places, kind="stable")]  # GDCM's own order is by name where two are alike
    _check_steps(name, slices)
    return slices


def _one_series(files: Sequence[str]) -> tuple[str, list[str]]:
    itk = import_itk()
    series: dict[str, list[str]] = {}
    for folder in sorted({str(Path(file).parent) for file in files}):
        names = itk.GDCMSeriesFileNames.New()
        names.SetUseSeriesDetails(False)  # they part a series whose slices write a thickness of 1.5 and 1.50
        with _told_as_damaged(folder):
            names.SetDirectory(folder)
            found = {uid: list(filter(is_dicom, map(Path, names.GetFileNames(uid)))) for uid in names.GetSeriesUIDs()}
        series |= {f"{uid} in {folder}": list(map(str, parts)) for uid, parts in found.items() if parts}
    if not series:
        raise ValueError(f"{Path(files[0]).parent} holds no readable DICOM image; get the series again")
    if len(series) > 1:
        told = ", ".join(f"{uid} ({len(parts)} files)" for uid, parts in series.items())
        raise ValueError(f"{len(series)} DICOM series, must be one: {told}; leave that of the scan alone in its folder")
    return next(iter(series.items()))


def _read_header(file: str) -> Slice:
    itk = import_itk()
    header = itk.GDCMImageIO.New(FileName=file)
    with _told_as_damaged(file):
        header.ReadImageInformation()
    frames = header.GetDimensions(2) if header.GetNumberOfDimensions() > 2 else 1
    if frames > 1:
        raise ValueError(
            f"{file} is a multi-frame (Enhanced) DICOM file of {frames} frames; convert it to NIfTI, as by dcm2niix"
        )
    _check_place(file, header.GetMetaDataDictionary())
    return Slice(
        file,
        np.array([header.GetOrigin(axis) for axis in range(3)]),
        np.array([header.GetDirection(axis) for axis in range(3)]),
        (header.GetSpacing(0), header.GetSpacing(1)),
        (header.GetDimensions(0), header.GetDimensions(1)),
        header.GetComponentType(),
    )


@contextlib.contextmanager
def _told_as_damaged(path: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of ITK and GDCM
        reason = " ".join(str(error).split()).rpartition("ITK ERROR: ")[2]
        raise ValueError(f"{path} is a damaged DICOM file ({reason[:200]}); get the series again") from None


def _check_place(file: str, tags: Any) -> None:
    if tags.HasKey("0008|0016") and is_enhanced(tags["0008|0016"]):  # says it in sequences, which GDCM reads
        return
    for tag, what in NEEDED.items():
        if not tags.HasKey(tag):
            raise ValueError(f"{file} has no {what}, so that it has no place in space; get the series again")
    spacing_mm = tags["0028|0030"].strip()
    if not all(_is_length(part) for part in spacing_mm.split("\\")):
        raise ValueError(f"{file} has the pixel spacing {spacing_mm}, must be above 0; get the series again")


def _is_length(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple((np.round(values, DIGITS) + 0.0).tolist())  # + 0: no -0


def _check_alike(name: str, slices: Sequence[Slice], told: Callable[[Slice], Hashable], what: str) -> None:
    ((usual, _),) = Counter(map(told, slices)).most_common(1)
    for one in slices:
        if told(one) != usual:
            file = Path(one.file).name
            advice = "leave it out or get the series again"
            raise ValueError(f"series {name}: {file} has the {what} {told(one)}, others {usual}; {advice}")


def _check_turns(name: str, slices: Sequence[Slice]) -> None:
    ((usual, _),) = Counter(_rounded(one.axes.ravel()) for one in slices).most_common(1)
    axes = np.reshape(usual, (3, 3))
    for one in slices:
        cosines = (one.axes * axes).sum(axis=1)
        if (np.abs(one.axes - axes) > 10.0**-DIGITS * 2).any():
            mirrored = (np.abs(cosines) > 0.999).all() and cosines[2] < 0  # seen from the other side
            way = "is mirrored against the others" if mirrored else "is turned against the others"
            raise ValueError(f"series {name}: {Path(one.file).name} {way}; leave it out or get the series again")


def _check_steps(name: str, slices: Sequence[Slice]) -> None:
    walk_mm = np.diff([one.place_mm for one in slices], axis=0)
    steps_mm = np.linalg.norm(walk_mm, axis=1)
    usual_mm = float(np.median(steps_mm))
    worst = int(np.abs(steps_mm - usual_mm).argmax())
    if abs(steps_mm[worst] - usual_mm) > STEP_TOLERANCE_MM + 0.01 * usual_mm or usual_mm == 0:
        pair = f"{Path(slices[worst].file).name} and {Path(slices[worst + 1].file).name}"
        raise ValueError(
            f"series {name}: {steps_mm[worst]:.4g} mm between {pair}, {usual_mm:.4g} mm between others; "
            "slices are missing, doubled or without a position; get the series again"
        )
    if np.abs(np.abs(walk_mm @ slices[0].axes[2]) - steps_mm).max() > STEP_TOLERANCE_MM:
        raise ValueError(f"series {name}: slices are sheared (gantry tilt); resample it to a right-angled grid first")
