"""What there is to segment: files of scans, and folders of DICOM files."""

import os
from pathlib import Path

from llmsegnet_bundle.cases.split import Item, scan_item
from llmsegnet_bundle.scans import SUFFIXES, PathLike, case_name, channel_files, scan_files
from llmsegnet_bundle.scans.dicom import is_dicom

IMAGES = tuple(suffix for suffix in SUFFIXES if suffix != ".h5")


def images(path: PathLike, in_channels: int = 1) -> list[Item]:
    """Return the one scan, or the scans of a folder sorted by name, as items without labels.

    Args:
        path: a file (NIfTI, NRRD or MetaImage), a folder of the files of a DICOM series, or a folder of both kinds.
        in_channels: more than 1 for scans with a NIfTI file a channel, as `scan_files`.

    Raises:
        ValueError: when there is none, loose DICOM files lie among other scans, or two have the same name but for the
            suffix.
    """
    where = Path(os.path.abspath(path))  # a name for "."
    found = []
    if where.is_dir():
        found = scan_files(where, in_channels) if in_channels > 1 else sorted(filter(_is_scan, where.iterdir()))
    if _is_scan(where):
        if found:
            raise ValueError(
                f"{where} holds {found[0].name} and loose DICOM files; give each series a folder of its own"
            )
        found = [where]
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
        return any(map(is_dicom, path.iterdir()))
    return channel_files(path)[0].is_file() and path.name.endswith(IMAGES) and not path.name.startswith(".")
