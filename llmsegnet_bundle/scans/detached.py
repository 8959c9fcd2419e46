"""Headers whose voxels lie in other files: only those beside the header, or below it, are read.

A header may name any file of this machine, and who reads it hands its content on. So no other file is opened, by any
command.
"""

import mmap
import os
import re
from itertools import takewhile
from pathlib import Path

from llmsegnet_bundle.scans.naming import PathLike, has_suffix

NRRD, META = (".nrrd", ".nhdr"), (".mha", ".mhd")
MOST_HEADER_BYTES = 1 << 20  # of NRRD; those of thousands of slices or of segmentations take a tenth
NRRD_FIELD = re.compile(rb"\s*data\s*file\s*:(?!=)\s*(.*)", re.IGNORECASE)
META_FIELD = b"ElementDataFile"  # MetaIO knows this spelling alone, anywhere before the voxels
META_VALUE = re.compile(rb"\s*[=:]\s*([^\n]*)")
LOCAL = (b"LOCAL", b"Local", b"local")


def detached_files(path: PathLike) -> list[Path]:
    """Return the files that a NRRD or MetaImage file says its voxels lie in; none where they lie in itself.

    Raises:
        ValueError: when one lies neither beside the header nor below it, does not exist, or is named by a pattern, or
            the header is unreadable.
    """
    header = Path(path)
    read = _nrrd_names if has_suffix(header, NRRD) else _meta_names if has_suffix(header, META) else None
    try:
        names = read(header) if read else []
    except OSError as error:
        raise ValueError(f"{header} cannot be read ({error.strerror}); copy or convert it again") from None
    return [_checked(header, os.fsdecode(name)) for name in names]


def is_below(file: PathLike, *folders: PathLike) -> bool:
    """Say whether a file, all links followed, lies in one of the folders or below."""
    real = Path(os.path.realpath(file))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _checked(header: Path, name: str) -> Path:
    if "%" in name:
        raise ValueError(f"{header} names its voxels by the pattern {name!r}, which is not read; save it as one file")
    file = header.parent / name
    # beside a link to a header, or beside the header itself
    beside = "\0" not in name and is_below(file, header.parent, Path(os.path.realpath(header)).parent)
    if not beside or name.startswith(("~", "-")):  # what some readers take for a home, or for what is typed
        raise ValueError(
            f"{header} takes its voxels from {name!r}, which lies neither beside it nor below, so that it is not read; "
            "put both into one folder"
        )
    if not file.is_file():
        raise ValueError(f"{header} takes its voxels from {name!r}, which does not exist; get that file too")
    return file


def _nrrd_names(header: Path) -> list[bytes]:
    with header.open("rb") as stream:
        content = stream.read(MOST_HEADER_BYTES + 1)
    lines = re.split(rb"\r\n|\n|\r", content)
    told = list(takewhile(bool, lines))  # the header ends with an empty line
    if len(told) == len(lines) and len(content) > MOST_HEADER_BYTES:
        raise ValueError(f"{header} has a header without an end; copy or convert it again")
    for i, line in enumerate(told):
        if found := NRRD_FIELD.fullmatch(line):
            name = found[1].strip()
            return [line.strip() for line in told[i + 1 :]] if name.startswith(b"LIST") else [name]
    return []


def _meta_names(header: Path) -> list[bytes]:
    names: list[bytes] = []
    with header.open("rb") as stream:
        if not os.fstat(stream.fileno()).st_size:  # nothing to map
            return []
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(META_FIELD)
            while place >= 0:  # a comment may hold it too, and MetaIO takes another one than we would
                place += len(META_FIELD)
                if found := META_VALUE.match(content[place : place + MOST_HEADER_BYTES]):
                    name = found[1].strip()
                    if name.startswith(b"LIST"):
                        lines = content[place + found.end() :].split(b"\n")
                        names += [line.strip() for line in lines if line.strip()]
                    elif name not in LOCAL:
                        names.append(name)
                place = content.find(META_FIELD, place)
    return names
