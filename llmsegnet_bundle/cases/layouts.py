"""Folders as nnU-Net and the Decathlon lay them out: imagesTr, labelsTr, dataset.json."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from llmsegnet_bundle.cases.untaken import tell_untaken, untaken
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.scans import PathLike, case_name, channel_files, scan_files
from llmsegnet_bundle.scans.naming import CHANNEL, has_suffix, short_name

DESCRIPTION = "dataset.json"
SHAPE = {"labels": {}, "channel_names": {}, "modality": {}, "file_ending": str}


class Description(NamedTuple):
    """What a data set's `dataset.json` tells.

    Args:
        classes: names by their numbers, background first; empty where the labels are regions.
        channels: names of the image's channels.
        file_ending: of the scans; None where it tells none.
    """

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    file_ending: str | None


def training_files(dataset_dir: PathLike, in_channels: int = 1) -> tuple[list[Path], dict[str, Path]]:
    """Return the scans of `imagesTr`, sorted, and the labels of `labelsTr` by their case names.

    What else lies in the two folders gets a line on stderr. A scan of one channel may be `<case>_0000.nii.gz`, as
    nnU-Net names it: it is taken for `<case>.nii.gz`, as `channel_files` reads it, where a label has that name and none
    the long one.

    Args:
        dataset_dir: holds imagesTr and labelsTr, and perhaps `dataset.json`.
        in_channels: as for `scan_files`, of imagesTr.

    Raises:
        ValueError: when there is no scan, two have one name, or a label has none.
    """
    folder = Path(dataset_dir) / "imagesTr"
    description = read_description(dataset_dir)
    ending = description.file_ending if description else None
    labels = _by_name(_ending(scan_files(folder.with_name("labelsTr")), ending))
    images = _ending(scan_files(folder, in_channels), ending)
    images = sorted({_short(image) if _is_short_in(labels, case_name(image)) else image for image in images})
    if not images:
        state = "has no scan" if folder.is_dir() else "does not exist"
        told = f" that ends with {ending}, as {DESCRIPTION} says" if ending and folder.is_dir() else ""
        raise ValueError(f"{folder} {state}{told}; set dataset_dir to the folder that holds imagesTr and labelsTr")
    used = {file for image in images for file in channel_files(image)}
    used_labels = set(labels.values())
    tell_untaken([*untaken(folder, used, ending), *untaken(folder.with_name("labelsTr"), used_labels, ending)])
    if orphans := sorted(labels.keys() - _by_name(images).keys()):
        raise ValueError(f"{labels[orphans[0]]} has no scan; give it the file name of its scan in imagesTr")
    return images, labels


def read_description(dataset_dir: PathLike) -> Description | None:
    """Return what the `dataset.json` of a folder tells, None where there is none.

    Raises:
        ValueError: when it is no such file, or its labels have a gap in their numbers.
    """
    file = Path(dataset_dir) / DESCRIPTION
    if not os.path.lexists(file):
        return None
    told = read_json(file, "correct it", SHAPE)
    try:
        numbers = _numbers(told.get("labels") or {})
        channels = told.get("channel_names") or told.get("modality") or {}
        names = tuple(channels[key] for key in sorted(channels, key=int))
        ending = told.get("file_ending")
        for name in (*numbers.values(), *names):
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"{name!r} stands where a name belongs")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} cannot be read as nnU-Net's or the Decathlon's ({error}); correct it") from None
    if sorted(numbers) != list(range(len(numbers))):
        raise ValueError(f"{file} has the labels {sorted(numbers)}; number them 0, 1, 2 ... without a gap")
    return Description(tuple(numbers[value] for value in sorted(numbers)), names, ending)


def _numbers(labels: dict[str, Any]) -> dict[int, str]:
    """Return number -> name; nnU-Net 2 has name -> number, the Decathlon number -> name."""
    if any(isinstance(value, list) for value in labels.values()):  # regions of several numbers
        return {}
    if all(key.isdigit() for key in labels):
        return {int(key): name for key, name in labels.items()}
    numbers: dict[int, str] = {}
    for name, number in labels.items():
        if not str(number).isdigit():
            raise ValueError(f"{number!r} stands where the number of {name} belongs")
        if name != "ignore" and (other := numbers.setdefault(int(number), name)) != name:
            raise ValueError(f"{other} and {name} have the number {number}")
    return numbers


def _ending(files: list[Path], ending: str | None) -> list[Path]:
    return files if ending is None else [file for file in files if has_suffix(file, (ending.lower(),)) or file.is_dir()]


def _is_short_in(labels: dict[str, Path], name: str) -> bool:
    return name not in labels and short_name(name) in labels


def _short(image: Path) -> Path:
    return image.with_name(CHANNEL.sub("", image.name))


def _by_name(files: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        if (other := found.setdefault(case_name(file), file)) != file:
            raise ValueError(f"{other} and {file} have one name; leave one of them")
    return found
