"""The public layouts: which files below a folder are a scan and its label."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MODALITIES = ("flair", "t1", "t1ce", "t2")  # in the order of the channels of "all"


@dataclass(frozen=True)
class Source:
    """The files of one scan as downloaded.

    Args:
        name: of the scan, ours.
        images: one file, or the DICOM files of the case.
        label: its label; None when there is none, or when an h5 file holds both.
        others: files of its other channels, one each.
    """

    name: str
    images: tuple[str, ...]
    label: str | None = None
    others: tuple[str, ...] = ()

    def files(self) -> dict[str, str]:
        """Return all files, as `cases.fingerprint` takes them."""
        named = {f"image{i}": image for i, image in enumerate(self.images + self.others)}
        return named if self.label is None else named | {"label": self.label}


def left_atrium(files: Iterable[Path]) -> list[Source]:
    """Find `ID/lgemri.nrrd` with `ID/laendo.nrrd`, and h5 files: `ID/mri_norm2.h5`, `ID.h5`."""
    found = []
    for file in files:
        if file.name == "lgemri.nrrd":
            found.append(Source(file.parent.name, (str(file),), _there(file.with_name("laendo.nrrd"))))
        elif file.suffix == ".h5":
            own = re.match(r"[A-Z0-9]{20}", file.stem)
            found.append(Source(own.group() if own else file.parent.name, (str(file),)))
    return found


def pancreas_ct(files: Iterable[Path]) -> list[Source]:
    """Find DICOM files anywhere below `PANCREAS_0001`, labels `label0001.nii.gz`, and h5 files with such a number."""
    slices: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    found = []
    for file in files:
        if file.suffix.lower() == ".dcm":
            if case := next((part for part in file.parts[::-1] if re.fullmatch(r"PANCREAS_\d{4}", part)), None):
                slices.setdefault(case, []).append(str(file))
        elif number := re.fullmatch(r"label(\d{4})\.nii(\.gz)?", file.name):
            labels[f"PANCREAS_{number.group(1)}"] = str(file)
        elif file.suffix == ".h5" and (number := re.search(r"(?<!\d)(\d{4})(?!\d)", file.stem)):
            found.append(Source(f"PANCREAS_{number.group(1)}", (str(file),)))
    return [Source(case, tuple(images), labels.get(case)) for case, images in slices.items()] + found


def brats19(files: Iterable[Path], modality: str = "flair") -> list[Source]:
    """Find `CASE/CASE_flair.nii(.gz)` with `CASE/CASE_seg.nii(.gz)`, and `CASE.h5`, which holds FLAIR alone.

    Raises:
        ValueError: when the modality is unknown.
    """
    if modality not in (*MODALITIES, "all"):
        raise ValueError(f"modality must be all or one of {', '.join(MODALITIES)}, got {modality!r}")
    first, *others = MODALITIES if modality == "all" else [modality]
    found = []
    for file in files:
        if part := re.fullmatch(rf"(.+)_{first}(\.nii(?:\.gz)?)", file.name):
            case, suffix = part.groups()
            segs = [file.with_name(f"{case}_seg{end}") for end in (".nii.gz", ".nii")]
            label = next(filter(None, map(_there, segs)), None)
            channels = [str(file.with_name(f"{case}_{other}{suffix}")) for other in others]
            found.append(Source(case, (str(file),), label, tuple(channels)))
        elif file.suffix == ".h5" and modality == "flair":
            found.append(Source(file.stem, (str(file),)))
    return found


def _there(file: Path) -> str | None:
    return str(file) if os.path.lexists(file) else None  # a link to nothing is a label that is lacking
