"""How the files of a scan are named, and what a scan is called."""

import re
from itertools import count, takewhile
from pathlib import Path

PathLike = str | Path
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".h5")  # of scans; the longer one first
CHANNEL = re.compile(r"_\d{4}(?=\.nii(\.gz)?$)")  # nnU-Net's naming: <case>_0000.nii.gz, <case>_0001.nii.gz ...


def scan_files(folder: Path, in_channels: int = 1) -> list[Path]:
    """Return the NIfTI scans of a folder, sorted by name.

    Args:
        folder: a file for each scan.
        in_channels: more than 1 for a file for each channel, `<case>_0000.nii.gz` and so on; such a scan is named
            `<case>.nii.gz`, like its label, and `channel_files` tells its files.
    """
    # [!.]: archives packed on a Mac hold a ._name beside every file
    files = [*folder.glob("[!.]*.nii"), *folder.glob("[!.]*.nii.gz")]
    return sorted(files if in_channels == 1 else {file.with_name(CHANNEL.sub("", file.name)) for file in files})


def channel_files(image: PathLike) -> list[Path]:
    """Return the files of a scan: the one of its name, or where there is none those of its channels, in order."""
    path = Path(image)
    name = case_name(path)
    files = (path.with_name(f"{name}_{i:04d}{path.name.removeprefix(name)}") for i in count())
    return [path] if path.is_file() else list(takewhile(Path.is_file, files)) or [path]


def case_name(path: PathLike) -> str:
    """Return the file name without its suffix, as the lists of the field name a scan."""
    name = Path(path).name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
