"""What there is to segment: files of scans, and folders of DICOM files, however deep they lie."""

import os
from pathlib import Path

from llmsegnet_bundle.cases.split import Item, scan_item
from llmsegnet_bundle.cases.untaken import tell_untaken, untaken
from llmsegnet_bundle.scans import PathLike, case_name, channel_files, is_scan, scan_files
from llmsegnet_bundle.scans.dicom_kinds import is_dicom
from llmsegnet_bundle.scans.naming import IMAGES


def images(path: PathLike, in_channels: int = 1) -> list[Item]:
    """Return the one scan, or the scans in and below a folder sorted by name, as cases {"name", "image"}.

    Below a folder each folder of DICOM files is a scan, and so is the image of a folder that holds one alone, as
    `case_00000/imaging.nii.gz`; both are named by the folders that lead to them. What is not taken gets a line on
    stderr, as do folders of several files, among which the scans may be labels.

    Args:
        path: a file (NIfTI, NRRD or MetaImage), a folder of the files of a DICOM series, or a folder of both kinds.
        in_channels: more than 1 for scans with a file a channel, as `scan_files`.

    Raises:
        ValueError: when there is none, loose DICOM files lie among other scans, or two have the same name.
    """
    where = Path(os.path.abspath(path))  # a name for "."
    found: dict[Path, str] = {}
    left: list[str] = []
    if where.is_dir():
        _search(where, (), in_channels, found, left)
    elif is_scan(where):
        found[where] = case_name(where)
    tell_untaken(left)
    if not found:
        raise ValueError(
            f"{where}: no scan there; give a {', '.join(IMAGES)} file, a DICOM folder, or a folder of these"
        )
    names: dict[str, Path] = {}
    for scan, name in found.items():
        if (other := names.setdefault(name, scan)) != scan:
            raise ValueError(f"{other} and {scan} would get the same mask; rename one of them")
    return [{"name": name} | scan_item(names[name]) for name in sorted(names)]


def _search(folder: Path, parts: tuple[str, ...], in_channels: int, found: dict[Path, str], left: list[str]) -> None:
    """Add the scans in and below a folder with their names, and a line for each thing that is none."""
    scans = [scan for scan in scan_files(folder, in_channels) if not scan.is_dir()]
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    slices = [entry for entry in entries if is_dicom(entry)]
    if slices and scans:
        raise ValueError(f"{folder} holds {scans[0].name} and loose DICOM files; give each series a folder of its own")
    if slices:
        found[folder] = "_".join(parts) or folder.name
    elif not parts:
        found.update((scan, case_name(scan)) for scan in scans)
    elif len(scans) == 1:
        found[scans[0]] = "_".join(parts)
    elif scans:
        told = ", ".join(scan.name for scan in scans[:3]) + (", ..." if len(scans) > 3 else "")
        left.append(f"{folder}, which holds {len(scans)} scans ({told}); give this folder, or one scan a folder")
    taken = {*slices, *(file for scan in scans for file in channel_files(scan))}
    folders = [entry for entry in entries if entry.is_dir()]
    for entry in folders:
        if entry.resolve() in (folder.resolve(), *folder.resolve().parents):
            left.append(f"{entry}, which leads back to a folder above it")
        else:
            _search(entry, (*parts, entry.name), in_channels, found, left)
    left += untaken(folder, taken.union(folders))
