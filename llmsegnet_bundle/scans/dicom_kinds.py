"""Which files are DICOM images, and what those that lie beside a series are instead."""

from pathlib import Path

MAGIC = b"DICM"  # after 128 bytes; files without it are known by their suffix
SUFFIX = ".dcm"
SOP_CLASS = b"\x02\x00\x02\x00UI"  # of a file's head, then the length in two bytes
HEAD = 1024  # bytes that hold it
STORAGE = "1.2.840.10008.5.1.4.1.1."
OTHERS = {  # beginnings of SOP classes; source: DICOM PS3.4 table B.5-1
    STORAGE + "9": "a waveform",
    STORAGE + "11": "a presentation state",
    STORAGE + "66.4": "a segmentation",
    STORAGE + "66": "raw data or a registration",
    STORAGE + "88": "a report",
    STORAGE + "104": "a document",
    STORAGE + "481.2": "an RT dose",
    STORAGE + "481.3": "an RT structure set",
    STORAGE + "481.5": "an RT plan",
    STORAGE + "481.8": "an RT plan",
    "1.2.840.10008.1.3.10": "an index",
}
ENHANCED = tuple(STORAGE + end for end in ("2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130"))


def is_dicom(file: Path) -> bool:
    """Say whether a file is a DICOM image, by its suffix or its first bytes."""
    if file.name == "DICOMDIR" or file.name.startswith(".") or not file.is_file():
        return False
    with file.open("rb") as stream:
        head = stream.read(HEAD)
    return (file.suffix.lower() == SUFFIX or _is_marked(head)) and _other_kind(head) is None


def other_kind(file: Path) -> str | None:
    """Return what a DICOM file is that is no image of a scan, such as "a report"; None of another file."""
    with file.open("rb") as stream:
        return _other_kind(stream.read(HEAD))


def is_enhanced(sop_class: str) -> bool:
    """Say whether a SOP class is one of those whose files may hold several frames, each with its place."""
    return sop_class.strip("\0 ") in ENHANCED


def _is_marked(head: bytes) -> bool:
    return head[128 : 128 + len(MAGIC)] == MAGIC


def _other_kind(head: bytes) -> str | None:
    begin = head.find(SOP_CLASS)
    if not _is_marked(head) or begin < 0:
        return None
    begin += len(SOP_CLASS)
    size = int.from_bytes(head[begin : begin + 2], "little")
    sop_class = head[begin + 2 : begin + 2 + size].decode("ascii", "replace").strip("\0 ")
    return next((kind for root, kind in OTHERS.items() if f"{sop_class}.".startswith(f"{root}.")), None)
