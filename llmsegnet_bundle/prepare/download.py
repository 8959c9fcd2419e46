"""What of a download may be read: its own files, and nothing that it points to elsewhere on this machine."""

import os
import stat
from pathlib import Path

from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.scans.detached import detached_files, is_below
from llmsegnet_bundle.scans.naming import SUFFIXES, has_suffix

AGAIN = "download it again"


def files_below(source: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the files below a folder, sorted, and the reason of each folder that is not searched.

    Hidden ones are left out, as archives made on a Mac hold a ._name beside every file. A folder with the name of a
    scan is returned too, so that it is told. Links to folders are not followed: what they lead to below is found where
    it lies, and what lies elsewhere is not read.

    Raises:
        ValueError: when `source` is no folder.
    """
    if not source.is_dir():
        raise ValueError(f"{source} is no folder; set source to the folder of the download")
    files: list[Path] = []
    left: dict[str, str] = {}
    waiting = [Path(os.path.abspath(source))]
    while waiting:
        folder = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError as error:
            left[str(folder)] = f"cannot be searched ({error.strerror})"
            continue
        for entry in entries:
            path = folder / entry.name
            if not _is_folder(path):
                files.append(path)
                continue
            if has_suffix(path, SUFFIXES):
                files.append(path)
            if not entry.is_symlink():
                waiting.append(path)
            elif not is_below(path, source):
                left[str(path)] = _outside(source)
    return sorted(files), left


def fault(scan: Source, source: Path) -> str:
    """Return in a line why the files of a scan are not to be read, empty when they are."""
    files = [Path(file) for file in scan.files().values()]
    # GDCM reads all files of a folder to find the slices of a series
    folders = sorted({file.parent for file in files if file.suffix.lower() == ".dcm"})
    neighbors = [file for folder in folders for file in sorted(folder.iterdir()) if not _is_folder(file)]
    try:
        for file in files:
            if reason := _reason(file, source) or _emptiness(file):
                return f"{file} {reason}"
        for file in neighbors:
            if os.path.exists(file) and (reason := _reason(file, source)):
                return f"{file} {reason}"
        for file in (voxels for header in files for voxels in detached_files(header)):
            if reason := _reason(file, source):
                return f"{file} {reason}"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _reason(file: Path, source: Path) -> str:
    if file.is_symlink() and not is_below(file, source):
        return _outside(source)
    try:
        mode = os.stat(file).st_mode
    except FileNotFoundError:
        return f"is a link to nothing; {AGAIN}" if file.is_symlink() else f"does not exist; {AGAIN}"
    except OSError as error:  # such as links in a circle
        return f"cannot be read ({error.strerror}); {AGAIN}"
    if stat.S_ISDIR(mode):
        return f"is a folder, must be a file; {AGAIN}"
    return "" if stat.S_ISREG(mode) else "is no file but a pipe or a device; remove it"


def _emptiness(file: Path) -> str:
    return "" if file.stat().st_size else f"is empty; {AGAIN}"


def _outside(source: Path) -> str:
    return f"is a link that leads out of {source}, where nothing is read; put what it leads to in its place"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # links in a circle
        return False
