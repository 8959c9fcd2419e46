"""Which scans are labeled, unlabeled, validation and test: read from a folder or a split file, built and checked."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

PathLike = str | Path
Item = dict[str, str]
Datalist = dict[str, list[Item]]
SPLITS = ("labeled", "unlabeled", "validation", "test")


def load(
    dataset_dir: PathLike, datalist: PathLike | None = None, labeled: int | str | None = None, validation: int = 12
) -> Datalist:
    """Return the lists of a split file, or of a folder without one.

    Args:
        dataset_dir: the folder of the scans.
        datalist: a split file for `from_file`; None for `from_folder`.
        labeled: scans to keep labeled, or "all"; None for 8 of a folder, "all" of a split file.
        validation: validation scans of a folder; a split file names its own.

    Returns:
        Items {"image", "label"} under labeled, unlabeled (no label), validation and, if the file has it, test.

    Raises:
        ValueError: as `from_folder` and `from_file`.
    """
    if datalist is None:
        return from_folder(dataset_dir, validation, 8 if labeled is None else labeled)
    return from_file(datalist, dataset_dir, "all" if labeled is None else labeled)


def from_folder(dataset_dir: PathLike, validation: int = 12, labeled: int | str = 8) -> Datalist:
    """Split the scans of `imagesTr` by name: first ones labeled, last ones validation, the rest unlabeled.

    Args:
        dataset_dir: holds imagesTr and labelsTr with the same file names; an image without a label is unlabeled.
        validation: how many of the last scans with a label validate.
        labeled: how many of the first scans with a label stay labeled; "all" for all but the validation ones.

    Returns:
        Items under labeled, unlabeled and validation.

    Raises:
        ValueError: when a folder or a scan is missing, or there are fewer labels than asked for.
    """
    least, folder = _least(labeled), Path(dataset_dir) / "imagesTr"
    if validation < 0:
        raise ValueError(f"validation must be at least 0, got {validation}")
    images, labels = _scans(folder), _scans(folder.with_name("labelsTr"))
    if not images:
        state = "has no *.nii.gz or *.nii" if folder.is_dir() else "does not exist"
        raise ValueError(f"{folder} {state}; set dataset_dir to the folder that holds imagesTr and labelsTr")
    if orphans := [label for label in labels if folder / label.name not in images]:
        raise ValueError(f"{orphans[0]} is a label without a scan; give it the file name of its scan in imagesTr")
    have, need = len(labels), least + validation
    if have < need:
        advice = "lower labeled" if have > validation else "lower validation" if have > 1 else "fill labelsTr"
        raise ValueError(f"{dataset_dir} has {have} scans with a label, labeled + validation need {need}; {advice}")
    pairs = [_item(folder / label.name, label) for label in labels]
    first = len(pairs) - validation  # of the validation scans
    kept, held_out = pairs[: first if labeled == "all" else least], pairs[first:]
    used = {item["image"] for item in kept + held_out}
    unlabeled = [_item(image) for image in images if str(image) not in used]
    return {"labeled": kept, "unlabeled": unlabeled, "validation": held_out}


def from_file(datalist: PathLike, dataset_dir: PathLike, labeled: int | str = "all") -> Datalist:
    """Read a JSON split file with the keys labeled, validation and, optionally, unlabeled and test.

    Args:
        datalist: the file; its entries are {"image": path, "label": path}, or a path alone where no label is needed.
        dataset_dir: the folder that relative paths start from.
        labeled: the first n labeled scans stay labeled, the others join unlabeled; "all" for the file as it is.

    Returns:
        Items as of `load`; labels of unlabeled scans and keys but image and label are dropped.

    Raises:
        ValueError: when the file is no such file, a scan is missing or listed twice, or a label is lacking.
    """
    least = _least(labeled)
    try:
        lists = json.loads(Path(datalist).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{datalist} is no readable JSON file ({error}); correct it or set datalist to null") from None
    if not isinstance(lists, dict):
        raise ValueError(f"{datalist} must be a dictionary of the lists {', '.join(SPLITS)}")
    if unknown := [key for key in lists if key not in SPLITS]:
        raise ValueError(f"{datalist} has the unknown key {unknown[0]!r}; use only {', '.join(SPLITS)}")
    if wrong := [key for key in SPLITS if not isinstance(({"unlabeled": [], "test": []} | lists).get(key), list)]:
        raise ValueError(f"{datalist} lacks the list {wrong[0]!r}; add the list of these scans")
    result: Datalist = {"labeled": [], "unlabeled": [], "validation": []}
    seen: dict[Path, str] = {}
    for split, entries in lists.items():
        where = f"{datalist}, {split!r}"
        result[split] = [_read_entry(entry, split, Path(dataset_dir), where) for entry in entries]
        for item in result[split]:
            image = Path(item["image"]).resolve()
            if image in seen:
                raise ValueError(f"{where}: {item['image']} is already in {seen[image]!r}; list every scan once")
            seen[image] = split
    if (have := len(result["labeled"])) < least:
        raise ValueError(f"{datalist} has {have} labeled scans, must have at least {least}; lower labeled")
    if labeled != "all":
        result["unlabeled"] += [_item(item["image"]) for item in result["labeled"][least:]]
        del result["labeled"][least:]
    return result


def beside(labeled_items: Sequence[Item], known_items: Sequence[Item]) -> list[Item]:
    """Return {"image"} of each scan, sorted, that lies in a folder of the labeled scans and is in neither list.

    Args:
        labeled_items: items whose image folders are searched.
        known_items: other items to leave out, such as validation.
    """
    known = {Path(path).resolve() for item in [*labeled_items, *known_items] for path in _files(item)}
    folders = sorted({Path(item["image"]).parent for item in labeled_items})
    found = {path.resolve(): path for folder in folders for path in _scans(folder)}  # once, however folders are written
    return [_item(path) for path in sorted(path for resolved, path in found.items() if resolved not in known)]


def unlabeled(
    labeled_items: Sequence[Item],
    validation_items: Sequence[Item],
    dataset_dir: PathLike,
    datalist: PathLike | None = None,
    labeled: int | str = "all",
) -> list[Item]:
    """Return the unlabeled scans of a run: those of its split file, else all that lie beside the labeled ones.

    MONAI Label replaces the labeled and the validation scans of a config and nothing else; the second case serves it.

    Args:
        labeled_items: the run's labeled scans.
        validation_items: the run's validation scans.
        dataset_dir: as for `load`.
        datalist: as for `load`.
        labeled: as for `load`.
    """
    if datalist is not None:
        return from_file(datalist, dataset_dir, labeled)["unlabeled"]
    return beside(labeled_items, validation_items)


def images(path: PathLike) -> list[Item]:
    """Return the one scan, or the scans of a folder, as items without labels.

    Raises:
        ValueError: when there is none.
    """
    where = Path(path)
    found = [where] if where.is_file() else _scans(where) if where.is_dir() else []
    if not found:
        raise ValueError(f"{where}: no NIfTI scan there; give a .nii or .nii.gz file, or a folder of them")
    return [_item(scan) for scan in found]


def fingerprint(item: Item) -> bytes:
    """Return a hash of the item's files: where they are, their sizes and when they last changed."""
    states = [(key, os.path.realpath(path), os.stat(path)) for key, path in sorted(item.items())]
    told = repr([(key, path, state.st_size, state.st_mtime_ns) for key, path, state in states])
    return hashlib.sha256(told.encode()).hexdigest().encode()


def check_scans(datalist: Datalist, classes: int = 2, workers: int = 2, cache_dir: PathLike | None = None) -> None:
    """Read every voxel of every scan, and of every label but those of unlabeled scans.

    Args:
        datalist: the lists, of `load`.
        classes: a label must hold whole numbers from 0 to classes - 1.
        workers: threads that read.
        cache_dir: where to remember what was found good, so that it is read again only when it changes; None forgets.

    Raises:
        ValueError: for the first file in list order that is unreadable, not 3-D, not finite, or does not fit its scan.
    """
    splits = [split for split in SPLITS if split in datalist]
    items = [_item(item["image"]) if split == "unlabeled" else item for split in splits for item in datalist[split]]
    memory = None if cache_dir is None else Path(cache_dir) / "checked.json"
    good = set(json.loads(memory.read_text())) if memory and memory.is_file() else set()
    unread = [item for item in items if not good or _mark(item, classes) not in good]
    with ThreadPoolExecutor(workers) as pool:
        labels = [item.get("label") for item in unread]
        list(pool.map(_check_scan, [item["image"] for item in unread], labels, repeat(classes)))  # raises in list order
    if memory and unread:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_name(f"checked.{os.getpid()}.part")
        part.write_text(json.dumps(sorted(good | {_mark(item, classes) for item in unread})))
        part.replace(memory)


def _mark(item: Item, classes: int) -> str:
    return f"{fingerprint(item).decode()} {classes}" if all(map(os.path.isfile, _files(item))) else "missing"


def digest(datalist: Datalist) -> str:
    """Return 12 hex characters that name the lists, equal wherever their folder lies."""
    names = {split: [[Path(path).name for path in _files(item)] for item in datalist[split]] for split in datalist}
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:12]


def _least(labeled: int | str) -> int:
    if labeled != "all" and (not isinstance(labeled, int) or labeled < 1):
        raise ValueError(f"labeled must be a whole number of at least 1, or 'all', got {labeled!r}")
    return 1 if labeled == "all" else int(labeled)


def _scans(folder: Path) -> list[Path]:
    # [!.]: archives packed on a Mac hold a ._name beside every file
    return sorted([*folder.glob("[!.]*.nii"), *folder.glob("[!.]*.nii.gz")])


def _item(image: PathLike, label: PathLike | None = None) -> Item:
    return {"image": str(image)} if label is None else {"image": str(image), "label": str(label)}


def _files(item: Item) -> list[str]:
    return [item[key] for key in ("image", "label") if key in item]


def _read_entry(entry: Any, split: str, root: Path, where: str) -> Item:
    given = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(given, dict) or not isinstance(given.get("image"), str):
        raise ValueError(f"{where}: {entry!r} has no image; write {{'image': path, 'label': path}}")
    label = None if split == "unlabeled" else given.get("label")
    if not isinstance(label, str) and (label is not None or split in ("labeled", "validation")):
        raise ValueError(f"{where}: {given['image']} has no label; add its path, or move the scan to 'unlabeled'")
    item = _item(root / given["image"], None if label is None else root / label)
    for path in _files(item):
        if not Path(path).is_file():
            raise ValueError(f"{where}: {path} does not exist; correct the path or dataset_dir")
    return item


def _check_scan(image: str, label: str | None, classes: int) -> None:
    voxels, affine = _read(image)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise ValueError(f"{image} has NaN or infinite voxels; replace them or leave the scan out")
    if label is None:
        return
    shape = voxels.shape
    voxels, label_affine = _read(label)
    if voxels.shape != shape:
        raise ValueError(f"{label} has the shape {voxels.shape}, its scan {shape}; resample the label to the scan")
    if not np.allclose(label_affine, affine, atol=1e-3):
        raise ValueError(f"{label} has another affine than its scan {image}; resample the label or correct its header")
    whole = voxels.dtype.kind != "f" or (voxels == np.rint(voxels)).all()  # NaN equals nothing
    if not whole or voxels.min() < 0 or voxels.max() >= classes:
        values = [f"{value:g}" for value in np.unique(voxels)]  # sorted, NaN last
        found = ", ".join(values if len(values) <= 10 else [*values[:8], "...", values[-1]])
        raise ValueError(f"{label} has the values {found}, must be whole, 0 to {classes - 1}; renumber or set classes")


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        scan = cast(SpatialImage, nib.load(path))
        voxels = np.asanyarray(scan.dataobj)
    except Exception as error:  # nibabel, gzip and zlib raise a dozen kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); copy or convert it again") from None
    if voxels.ndim != 3 or not voxels.size or voxels.dtype.kind not in "buif":
        raise ValueError(f"{path} must be 3-D with one number per voxel, got {voxels.dtype} of shape {voxels.shape}")
    return voxels, np.asarray(scan.affine)
