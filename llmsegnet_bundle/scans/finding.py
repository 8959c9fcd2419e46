"""Which scans lie in a folder."""

from pathlib import Path

from llmsegnet_bundle.scans.dicom_kinds import is_dicom
from llmsegnet_bundle.scans.naming import CHANNEL, channel_files, has_suffix


def scan_files(folder: Path, in_channels: int = 1) -> list[Path]:
    """Return the scans of a folder, sorted by name: NIfTI, NRRD and MetaImage files, and folders of DICOM files.

    Args:
        folder: a file or folder for each scan.
        in_channels: more than 1 for a file for each channel, `<case>_0000.nii.gz` and so on; such a scan is named
            `<case>.nii.gz`, like its label, and `channel_files` tells its files.
    """
    found = filter(is_scan, folder.iterdir() if folder.is_dir() else [])
    return sorted(found if in_channels == 1 else {file.with_name(CHANNEL.sub("", file.name)) for file in found})


def is_scan(path: Path) -> bool:
    """Say whether a path is a scan: a file by its suffix, a folder by the DICOM files in it."""
    if path.name.startswith("."):  # archives packed on a Mac hold a ._name beside every file
        return False
    if path.is_dir():
        return any(map(is_dicom, path.iterdir()))
    return has_suffix(path) and channel_files(path)[0].is_file()
