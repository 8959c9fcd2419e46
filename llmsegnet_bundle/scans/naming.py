"""How the files of a scan are named, and what a scan is called."""

import re
from itertools import count, takewhile
from pathlib import Path

PathLike = str | Path
NIFTI = (".nii.gz", ".nii")
IMAGES = (*NIFTI, ".nrrd", ".nhdr", ".mha", ".mhd")  # of scans, but for folders of DICOM files
SUFFIXES = (*IMAGES, ".h5")  # the longer one first
CHANNEL = re.compile(r"_\d{4}(?=\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$)", re.IGNORECASE)  # nnU-Net's naming, see below


def has_suffix(path: PathLike, suffixes: tuple[str, ...] = IMAGES) -> bool:
    """Say whether a file name ends with one of the suffixes, in small or capital letters."""
    return Path(path).name.lower().endswith(suffixes)


def is_voxels_of_header(path: Path) -> bool:
    """Say whether a file holds the voxels of a NRRD or MetaImage header that lies beside it under the same name."""
    name = path.name.removesuffix(".gz")
    stem = name.removesuffix(".raw").removesuffix(".zraw")
    return stem != name and any(path.with_name(stem + suffix).is_file() for suffix in (".nhdr", ".mhd"))


def channel_files(image: PathLike) -> list[Path]:
    """Return the files of a scan: the one of its name, or where there is none those of its channels, in order."""
    path = Path(image)
    name = case_name(path)
    files = (path.with_name(f"{name}_{i:04d}{path.name.removeprefix(name)}") for i in count())
    return [path] if path.exists() else list(takewhile(Path.is_file, files)) or [path]


def short_name(case: str) -> str:
    """Return a case's name without the number of a channel, as nnU-Net names the label of `<case>_0000`."""
    return re.sub(r"_\d{4}$", "", case)


def case_name(path: PathLike) -> str:
    """Return the file name without its suffix, as the lists of the field name a scan."""
    name = Path(path).name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]
