"""What there is to segment: files of scans, and folders of DICOM files that are checked to be one whole series."""

from pathlib import Path

import numpy as np

from llmsegnet_bundle.datalist.lists import SUFFIXES, Item, PathLike, case_name, channel_files, scan_files, scan_item

IMAGES = tuple(suffix for suffix in SUFFIXES if suffix != ".h5")
UNEVEN = 0.05  # of the step between slices: positions are written with rounding, a missing slice doubles a step


def images(path: PathLike, in_channels: int = 1) -> list[Item]:
    """Return the one scan, or the scans of a folder sorted by name, as items without labels.

    Args:
        path: a file (NIfTI, NRRD or MetaImage), a folder of the files of a DICOM series, or a folder of both kinds.
        in_channels: more than 1 for scans with a NIfTI file a channel, as `scan_files`.

    Raises:
        ValueError: when there is none, or two have the same name but for the suffix.
    """
    where = Path(path)
    found = [where] if _is_scan(where) else []
    if not found and where.is_dir():
        found = scan_files(where, in_channels) if in_channels > 1 else sorted(filter(_is_scan, where.iterdir()))
    if not found:
        raise ValueError(
            f"{where}: no scan there; give a {', '.join(IMAGES)} file, a DICOM folder, or a folder of these"
        )
    names: dict[str, Path] = {}
    for scan in found:
        if (other := names.setdefault(case_name(scan), scan)) != scan:
            raise ValueError(f"{other} and {scan} would get the same mask; rename one of them")
    return [scan_item(scan) for scan in found]


def _is_scan(path: Path) -> bool:
    if path.is_dir():
        return any(file.is_file() and _is_dicom(file) for file in path.iterdir())
    return channel_files(path)[0].is_file() and path.name.endswith(IMAGES) and not path.name.startswith(".")


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def check_series(folder: PathLike) -> None:
    """Check that a folder of DICOM files is one series with evenly spaced slices.

    Raises:
        ValueError: when there is more than one series, or a slice is missing or there twice.
    """
    import itk  # slow to import, and needed for DICOM alone

    names = itk.GDCMSeriesFileNames.New()  # set as MONAI's ITKReader sets it, which reads the series afterwards
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")
    names.SetDirectory(str(folder))
    if (count := len(names.GetSeriesUIDs())) != 1:
        raise ValueError(f"{folder} holds {count} DICOM series, must hold one; move each to a folder of its own")
    places_mm = {}
    for file in names.GetFileNames(names.GetSeriesUIDs()[0]):
        header = itk.GDCMImageIO.New(FileName=file)
        header.ReadImageInformation()
        place_mm = np.dot([header.GetOrigin(axis) for axis in range(3)], header.GetDirection(2))
        places_mm[Path(file).name] = place_mm
    files = sorted(places_mm, key=places_mm.__getitem__)
    steps_mm = np.diff([places_mm[file] for file in files])
    usual_mm = np.median(steps_mm) if len(steps_mm) else 0.0
    for i in np.flatnonzero((np.abs(steps_mm - usual_mm) > UNEVEN * usual_mm) | (steps_mm == 0)):
        raise ValueError(
            f"{folder}: {steps_mm[i]:.2f} mm between {files[i]} and {files[i + 1]}, {usual_mm:.2f} mm between others; "
            "add the missing slices, or remove what is there twice or has no position"
        )
