"""Checks of what lies in the files of a split: every voxel is read."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np

from llmsegnet_bundle.cases.split import SPLITS, Datalist, Item, item_files, scan_item
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.scans import PathLike, channel_files, read_classes, read_image


def fingerprint(item: Item) -> bytes:
    """Return a hash of the item's files: where they are, their sizes and when they last changed."""
    files = [(key, file) for key, path in sorted(item.items()) for file in channel_files(path)]
    states = [(key, os.path.realpath(file), os.stat(file)) for key, file in files]
    told = repr([(key, path, state.st_size, state.st_mtime_ns) for key, path, state in states])
    return hashlib.sha256(told.encode()).hexdigest().encode()


def check_scans(
    datalist: Datalist,
    classes: int = 2,
    workers: int = 2,
    cache_dir: PathLike | None = None,
    in_channels: int = 1,
) -> None:
    """Read every voxel of every scan, and of every label but those of unlabeled scans.

    Args:
        datalist: the lists, of `load`.
        classes: a label must hold whole numbers from 0 to classes - 1.
        workers: threads that read.
        cache_dir: where to remember what was found good, so that it is read again only when it changes; None forgets.
        in_channels: how many files a scan must have.

    Raises:
        ValueError: for a scan of more or fewer channels, else for the first file in list order that is unreadable, not
            3-D, not finite, or does not fit its scan.
    """
    splits = [split for split in SPLITS if split in datalist]
    items = [scan_item(item["image"]) if split == "unlabeled" else item for split in splits for item in datalist[split]]
    memory = None if cache_dir is None else Path(cache_dir) / "checked.json"
    good = set(json.loads(memory.read_text(encoding="utf-8"))) if memory and memory.is_file() else set()
    for item in items:
        if (have := len(channel_files(item["image"]))) != in_channels:
            raise ValueError(f"{item['image']} has {have} channel files, in_channels is {in_channels}; correct one")
    marks = [_mark(item, classes) if memory else "unmarked" for item in items]
    unread = [item for item, mark in zip(items, marks, strict=True) if mark not in good]
    with ThreadPoolExecutor(workers) as pool:
        labels = [item.get("label") for item in unread]
        list(pool.map(_check_scan, [item["image"] for item in unread], labels, repeat(classes)))  # raises in list order
    if memory and unread:
        write_texts(memory.parent, {memory.name: json.dumps(sorted(good.union(marks)))})


def _mark(item: Item, classes: int) -> str:
    there = all(channel_files(path)[0].is_file() for path in item_files(item))
    return f"{fingerprint(item).decode()} {classes}" if there else "missing"


def _check_scan(image: str, label: str | None, classes: int) -> None:
    first, *others = channel_files(image)
    voxels, affine = read_image(first)
    shape = voxels.shape
    for other in others:
        own_voxels, own_affine = read_image(other)
        if own_voxels.shape != shape or not np.allclose(own_affine, affine, atol=1e-3):
            raise ValueError(f"{other} lies on another grid than {first}; resample the channels of a scan to one")
    if label is not None:
        read_classes(label, shape, affine, image, classes)
