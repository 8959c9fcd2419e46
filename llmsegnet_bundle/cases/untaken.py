"""What lies in a folder of scans and is not taken, told in a line each."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from llmsegnet_bundle.scans.dicom_kinds import other_kind
from llmsegnet_bundle.scans.naming import has_suffix, is_voxels_of_header

MOST_LINES = 20


def tell_untaken(lines: Sequence[str]) -> None:
    """Print a line on stderr for each, and for many how many more there are."""
    for line in [
        *lines[:MOST_LINES],
        *([f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []),
    ]:
        print(f"not taken: {line}", file=sys.stderr)


def untaken(folder: Path, taken: Collection[Path], ending: str | None = None) -> list[str]:
    """Return what else lies in a folder, and why it is not taken.

    Args:
        folder: hidden files in it, and voxels that belong to a header, need no line.
        taken: what is.
        ending: of the scans that are, as `dataset.json` tells it.
    """
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    left = [entry for entry in there if entry not in taken and not _goes_along(entry)]
    return [f"{entry}, which {_why(entry, ending)}" for entry in left]


def _why(entry: Path, ending: str | None) -> str:
    if entry.is_dir():
        return "holds no DICOM file itself"
    if ending is not None and has_suffix(entry):
        return f"does not end with {ending}, as dataset.json says"
    return f"is {other_kind(entry) or 'no scan by its name'}"


def _goes_along(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name == "DICOMDIR" or is_voxels_of_header(entry)
