"""Checks of what lies in the files of a split: every voxel is read."""

import hashlib
import json
import os
import sys
from pathlib import Path

from tqdm import tqdm

from llmsegnet_bundle.cases.split import SPLITS, Datalist, Item, item_files, scan_item
from llmsegnet_bundle.cases.values import LabelValues, label_values
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.parallel import cores, first_of_node, shared
from llmsegnet_bundle.scans import PathLike, channel_files, check_varies, read_channels, read_classes

RULES = 3  # raised when the checks become stricter, so that what passed the old ones is read again
MOST_READERS = 8  # threads: a large CT takes a gigabyte while it is read
AT_ONCE = 32  # scans between two notes of what was found good, so that a stopped check goes on


def fingerprint(item: Item) -> bytes:
    """Return a hash of the item's files: where they are, their sizes and when they last changed; and of its organ."""
    paths = [(key, file) for key, path in sorted(item.items()) if key != "organ" for file in channel_files(path)]
    files = [(key, file) for key, path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    states = [(key, os.path.realpath(file), os.stat(file)) for key, file in files]
    told = repr([(key, path, state.st_size, state.st_mtime_ns) for key, path, state in states]) + item.get("organ", "")
    return hashlib.sha256(told.encode()).hexdigest().encode()


def check_scans(
    datalist: Datalist,
    classes: int | LabelValues = 2,
    workers: int | None = None,
    cache_dir: PathLike | None = None,
    in_channels: int = 1,
) -> None:
    """Read every voxel of every scan, and of every label but those of unlabeled scans.

    Each process of torchrun reads its share.

    Args:
        datalist: the lists, of `load`.
        classes: a label must hold whole numbers from 0 to classes - 1, or those of `LabelValues`. A class that no
            label of the list `labeled` holds gets a line of warning on stderr.
        workers: threads that read; None for one a core, as far as memory can be expected to hold their scans.
        cache_dir: where to remember what was found good, so that it is read again only when it changes; None forgets.
        in_channels: how many a scan must have, in one file or in a file each.

    Raises:
        ValueError: for the first file in list order that is unreadable, not 3-D, not finite, of one value alone,
            without a place in space, of more or fewer channels, or does not fit its scan; then when the labels hold
            numbers that never both.
    """
    splits = [split for split in SPLITS if split in datalist]
    items = [scan_item(item["image"]) if split == "unlabeled" else item for split in splits for item in datalist[split]]
    memory = None if cache_dir is None else Path(cache_dir) / "checked.json"
    values = label_values(classes)
    good = _remembered(memory)
    marks = [
        _mark(item, len(values.classes), in_channels) if memory else f"{number}" for number, item in enumerate(items)
    ]

    def read(number: int) -> list[int]:
        if marks[number] in good:
            return good[marks[number]]
        return _check_scan(items[number]["image"], items[number].get("label"), len(values.classes), in_channels)

    found: list[list[int]] = []
    with tqdm(total=len(items), desc="checking", unit="scan", disable=None, delay=2, dynamic_ncols=True) as bar:
        for begin in range(0, len(items), AT_ONCE):
            some = range(begin, min(begin + AT_ONCE, len(items)))
            found += shared(read, some, workers or min(cores(), MOST_READERS))  # raises in list order
            known = good | dict(zip(marks, found, strict=False))
            if memory and known != good and first_of_node():
                write_texts(memory.parent, {memory.name: json.dumps(known)})
            good = known
            bar.update(len(some))
    held = {id(item): numbers for item, numbers in zip(items, found, strict=True)}
    values.check({number: item["label"] for item in items for number in held[id(item)]})
    there = {number for item in datalist.get("labeled", ()) for number in held[id(item)]}
    for kind in values.absent(there) if datalist.get("labeled") else ():
        print(f"warning: no labeled scan holds class {kind}, so that it cannot be learned", file=sys.stderr)


def _remembered(memory: Path | None) -> dict[str, list[int]]:
    """Return what was found good before, with the numbers that its label holds."""
    try:
        known = read_json(memory, "", {...: [int]}) if memory else {}
    except ValueError:  # missing, damaged, or of a version that did not keep the numbers: all is read again
        return {}
    return {mark: numbers for mark, numbers in known.items() if numbers is not None}


def _mark(item: Item, classes: int, in_channels: int) -> str:
    there = all(channel_files(path)[0].exists() for path in item_files(item))
    return f"{fingerprint(item).decode()} {classes} {in_channels} {RULES}" if there else "missing"


def _check_scan(image: str, label: str | None, classes: int, in_channels: int) -> list[int]:
    """Return the numbers that the label holds."""
    volume = read_channels(image)
    if (have := len(volume.voxels)) != in_channels:
        raise ValueError(f"{image} has {have} channels, in_channels is {in_channels}; correct one")
    check_varies(volume.voxels, image)
    if label is None:
        return []
    voxels = read_classes(label, volume.voxels.shape[1:], volume.affine, image, classes)
    return [value for value in range(classes) if (voxels == value).any()]
