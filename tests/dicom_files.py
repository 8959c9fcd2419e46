"""DICOM files written byte by byte, for tests: what a scanner may write and ITK's own writer does not."""

import struct

import numpy as np

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = CT + ".1"
EXPLICIT = "1.2.840.10008.1.2.1"


def element(group, number, vr, value, implicit=False):
    if isinstance(value, str):
        value = value.encode()
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    elif isinstance(value, int):
        value = struct.pack("<H" if vr == "US" else "<I", value)
    tag = struct.pack("<HH", group, number)
    if implicit:
        return tag + struct.pack("<I", len(value)) + value
    if vr in ("OW", "OB"):
        return tag + vr.encode() + b"\0\0" + struct.pack("<I", len(value)) + value
    return tag + vr.encode() + struct.pack("<H", len(value)) + value


def write_slice(
    file,
    pixels,
    place_mm,
    axes=((1, 0, 0), (0, 1, 0)),
    spacing_mm=(0.7, 0.8),
    slope=1.0,
    inter=0.0,
    series="1.2.826.0.1",
    date="20240131",
    number=1,
    preamble=True,
    kind=CT,
    thickness="1.5",
    group="1",
):
    """Write a slice, or several frames, of 16-bit pixels (rows, columns) as a scanner does.

    Args:
        place_mm, axes, spacing_mm: None leaves the element out.
        axes: direction of the columns' index, then of the rows' index, in LPS.
        spacing_mm: between rows, then between columns.
        group: the series' number.
        preamble: False writes the bare data set, as archives of the 1990s did.
    """
    shape = np.shape(pixels)
    instance = f"1.2.826.9.{number}"
    told = "\\".join
    data = [
        (0x0008, 0x0016, "UI", kind),
        (0x0008, 0x0018, "UI", instance),
        (0x0008, 0x0021, "DA", date),
        (0x0008, 0x0060, "CS", "CT"),
        (0x0018, 0x0050, "DS", thickness),
        (0x0020, 0x000D, "UI", "1.2.826.0.0"),
        (0x0020, 0x000E, "UI", series),
        (0x0020, 0x0011, "IS", group),
        (0x0020, 0x0013, "IS", str(number)),
        *([] if place_mm is None else [(0x0020, 0x0032, "DS", told(f"{value:g}" for value in place_mm))]),
        *([] if axes is None else [(0x0020, 0x0037, "DS", told(f"{value:g}" for axis in axes for value in axis))]),
        (0x0028, 0x0002, "US", 1),
        (0x0028, 0x0004, "CS", "MONOCHROME2"),
        *([(0x0028, 0x0008, "IS", str(shape[0]))] if len(shape) > 2 else []),
        (0x0028, 0x0010, "US", shape[-2]),
        (0x0028, 0x0011, "US", shape[-1]),
        *([] if spacing_mm is None else [(0x0028, 0x0030, "DS", told(f"{value:g}" for value in spacing_mm))]),
        (0x0028, 0x0100, "US", 16),
        (0x0028, 0x0101, "US", 16),
        (0x0028, 0x0102, "US", 15),
        (0x0028, 0x0103, "US", 1),
        (0x0028, 0x1052, "DS", f"{inter:g}"),
        (0x0028, 0x1053, "DS", f"{slope:.12g}"),
        (0x7FE0, 0x0010, "OW", np.asarray(pixels, "<i2").tobytes()),
    ]
    content = b"".join(element(*entry, implicit=not preamble) for entry in data)
    if preamble:
        head = [(2, 1, "OB", b"\0\1"), (2, 2, "UI", kind), (2, 3, "UI", instance), (2, 0x10, "UI", EXPLICIT)]
        meta = b"".join(element(*entry) for entry in head)
        content = bytes(128) + b"DICM" + element(2, 0, "UL", len(meta)) + meta + content
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_slices(folder, voxels, change=None, **settings):
    """Write a series of stored numbers (H, W, D), 1.5 mm apart; `change` gives a slice's own settings by its index."""
    for k in range(voxels.shape[2]):
        own = {"place_mm": (-10.0, 20.0, 5 + 1.5 * k), "number": k + 1}
        own |= settings | ({} if change is None else change(k))
        write_slice(folder / f"{(7 * k) % 101:03d}.dcm", voxels[:, :, k].T, **own)
    return [str(file) for file in folder.iterdir()]
