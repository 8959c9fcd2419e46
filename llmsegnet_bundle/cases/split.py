"""Which scans are labeled, unlabeled, validation and test: read from a folder or a split file, built and checked."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmsegnet_bundle.cases.layouts import training_files
from llmsegnet_bundle.cases.patients import warn_of_patients
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.scans import PathLike, case_name, channel_files, scan_files

Item = dict[str, str]
Datalist = dict[str, list[Item]]
SPLITS = ("labeled", "unlabeled", "validation", "test")


def load(
    dataset_dir: PathLike,
    datalist: PathLike | None = None,
    labeled: int | str | None = None,
    validation: int = 12,
    in_channels: int = 1,
) -> Datalist:
    """Return the lists of a split file, or of a folder without one.

    Args:
        dataset_dir: the folder of the scans.
        datalist: a split file for `from_file`; None for `from_folder`.
        labeled: scans to keep labeled, or "all"; None for 8 of a folder, "all" of a split file.
        validation: validation scans of a folder; a split file names its own.
        in_channels: as for `scan_files`.

    Returns:
        Items {"image", "label"} under labeled, unlabeled (no label), validation and, if the file has it, test. Names in
        two lists that look like scans of one patient get a line of warning on stderr.

    Raises:
        ValueError: as `from_folder` and `from_file`.
    """
    if datalist is None:
        lists = from_folder(dataset_dir, validation, 8 if labeled is None else labeled, in_channels)
    else:
        lists = from_file(datalist, dataset_dir, "all" if labeled is None else labeled)
    warn_of_patients(lists)
    return lists


def from_folder(dataset_dir: PathLike, validation: int = 12, labeled: int | str = 8, in_channels: int = 1) -> Datalist:
    """Split the scans of `imagesTr` by name: first ones labeled, last ones validation, the rest unlabeled.

    Args:
        dataset_dir: holds imagesTr and labelsTr with the same case names, as `layouts.training_files`; an image without
            a label is unlabeled.
        validation: how many of the last scans with a label validate.
        labeled: how many of the first scans with a label stay labeled; "all" for all but the validation ones.
        in_channels: as for `scan_files`, of imagesTr.

    Returns:
        Items under labeled, unlabeled and validation.

    Raises:
        ValueError: when a folder or a scan is missing, or there are fewer labels than asked for.
    """
    least = _least(labeled)
    if validation < 0:
        raise ValueError(f"validation must be at least 0, got {validation}")
    items = list(folder_items(dataset_dir, in_channels).values())
    pairs = [item for item in items if "label" in item]
    have, need = len(pairs), least + validation
    if have < need:
        advice = "lower labeled" if have > validation else "lower validation" if have > 1 else "fill labelsTr"
        raise ValueError(f"{dataset_dir} has {have} scans with a label, labeled + validation need {need}; {advice}")
    first = len(pairs) - validation  # of the validation scans
    kept, held_out = pairs[: first if labeled == "all" else least], pairs[first:]
    used = {item["image"] for item in kept + held_out}
    unlabeled = [scan_item(item["image"]) for item in items if item["image"] not in used]
    return {"labeled": kept, "unlabeled": unlabeled, "validation": held_out}


def folder_items(dataset_dir: PathLike, in_channels: int = 1) -> dict[str, Item]:
    """Return the scans of `imagesTr` by their case names, sorted, each with its label of `labelsTr` if it has one.

    Args:
        dataset_dir, in_channels: as for `layouts.training_files`.

    Raises:
        ValueError: as `layouts.training_files`.
    """
    images, labels = training_files(dataset_dir, in_channels)
    return {case_name(image): scan_item(image, labels.get(case_name(image))) for image in images}


def from_file(datalist: PathLike, dataset_dir: PathLike, labeled: int | str = "all") -> Datalist:
    """Read a JSON split file with the keys labeled, validation and, optionally, unlabeled and test.

    Args:
        datalist: the file; its entries are {"image": path, "label": path}, or a path alone where no label is needed.
            Where one network is for several organs, "organ" names the one of a scan.
        dataset_dir: the folder that relative paths start from.
        labeled: the first n labeled scans stay labeled, the others join unlabeled; "all" for the file as it is.

    Returns:
        Items as of `load`; labels of unlabeled scans and keys but image, label and organ are dropped.

    Raises:
        ValueError: when the file is no such file, a scan is missing or listed twice, or a label is lacking.
    """
    least = _least(labeled)
    lists = read_json(datalist, "correct it or set datalist to null")
    if unknown := [key for key in lists if key not in SPLITS]:
        raise ValueError(f"{datalist} has the unknown key {unknown[0]!r}; use only {', '.join(SPLITS)}")
    if wrong := [key for key in SPLITS if not isinstance(({"unlabeled": [], "test": []} | lists).get(key), list)]:
        raise ValueError(f"{datalist} lacks the list {wrong[0]!r}; add the list of these scans")
    result: Datalist = {"labeled": [], "unlabeled": [], "validation": []}
    seen: dict[Path, str] = {}
    names: dict[str, str] = {}
    labels: dict[Path, str] = {}
    for split, entries in lists.items():
        where = f"{datalist}, {split!r}"
        result[split] = [_read_entry(entry, split, Path(dataset_dir), where) for entry in entries]
        for item in result[split]:
            image = Path(item["image"]).resolve()
            if image in seen:
                raise ValueError(f"{where}: {item['image']} is already in {seen[image]!r}; list every scan once")
            seen[image] = split
            if (other := names.setdefault(case_name(item["image"]), item["image"])) != item["image"]:
                raise ValueError(f"{where}: {item['image']} and {other} would get the same mask; rename one of them")
            label = Path(item.get("label", item["image"])).resolve()
            if (other := labels.setdefault(label, item["image"])) != item["image"]:
                raise ValueError(f"{where}: {item['label']} is the label of {other} too; give each scan its own")
    if (have := len(result["labeled"])) < least:
        raise ValueError(f"{datalist} has {have} labeled scans, must have at least {least}; lower labeled")
    if labeled != "all":
        result["unlabeled"] += [_without_label(item) for item in result["labeled"][least:]]
        del result["labeled"][least:]
    return result


def part(datalist: Datalist, name: str) -> list[Item]:
    """Return the list of that name.

    Raises:
        ValueError: when it is absent or empty.
    """
    if not datalist.get(name):
        have = ", ".join(key for key, items in datalist.items() if items)
        raise ValueError(f"part: must be one of {have}, got {name!r}; only a datalist may hold a test list")
    return datalist[name]


def beside(labeled_items: Sequence[Item], known_items: Sequence[Item], in_channels: int = 1) -> list[Item]:
    """Return {"image"} of each scan, sorted, that lies in a folder of the labeled scans and is in neither list.

    Args:
        labeled_items: items whose image folders are searched.
        known_items: other items to leave out, such as validation.
        in_channels: as for `scan_files`.
    """
    paths = [path for item in [*labeled_items, *known_items] for path in item_files(item)]
    known = {file.resolve() for path in paths for file in channel_files(path)}
    folders = sorted({Path(item["image"]).parent for item in labeled_items})
    found = [path for folder in folders for path in scan_files(folder, in_channels)]
    return [scan_item(path) for path in sorted(found) if channel_files(path)[0].resolve() not in known]


def unlabeled(
    labeled_items: Sequence[Item],
    validation_items: Sequence[Item],
    dataset_dir: PathLike,
    datalist: PathLike | None = None,
    labeled: int | str = "all",
    in_channels: int = 1,
) -> list[Item]:
    """Return the unlabeled scans of a run: those of its split file, else all that lie beside the labeled ones.

    MONAI Label replaces the labeled and the validation scans of a config and nothing else; the second case serves it.

    Args:
        labeled_items: the run's labeled scans.
        validation_items: the run's validation scans.
        dataset_dir: as for `load`.
        datalist: as for `load`.
        labeled: as for `load`.
        in_channels: as for `scan_files`.
    """
    if datalist is not None:
        return from_file(datalist, dataset_dir, labeled)["unlabeled"]
    return beside(labeled_items, validation_items, in_channels)


def digest(datalist: Datalist) -> str:
    """Return 12 hex characters that name what a run learns and selects from, equal wherever the folder lies."""
    names = {
        split: [[*(Path(path).name for path in item_files(item)), *_organ(item).values()] for item in items]
        for split, items in datalist.items()
        if split != "test"
    }
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:12]


def _least(labeled: int | str) -> int:
    if labeled != "all" and (not isinstance(labeled, int) or labeled < 1):
        raise ValueError(f"labeled must be a whole number of at least 1, or 'all', got {labeled!r}")
    return 1 if labeled == "all" else int(labeled)


def scan_item(image: PathLike, label: PathLike | None = None) -> Item:
    """Return the item of a scan, with its label if it has one."""
    return {"image": str(image)} if label is None else {"image": str(image), "label": str(label)}


def item_files(item: Item) -> list[str]:
    """Return the paths of an item: the scan, then its label if it has one."""
    return [item[key] for key in ("image", "label") if key in item]


def _without_label(item: Item) -> Item:
    return scan_item(item["image"]) | _organ(item)


def _organ(item: Item) -> Item:
    return {"organ": item["organ"]} if "organ" in item else {}


def _read_entry(entry: Any, split: str, root: Path, where: str) -> Item:
    given = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(given, dict) or not isinstance(given.get("image"), str) or not given["image"]:
        raise ValueError(f"{where}: {entry!r} has no image; write {{'image': path, 'label': path}}")
    if odd := [
        name for name in (given["image"], given.get("label")) if isinstance(name, str) and not name.isprintable()
    ]:
        raise ValueError(f"{where}: {odd[0]!r} can name no file; correct it")
    label = None if split == "unlabeled" else given.get("label")
    if (not isinstance(label, str) or not label) and (label is not None or split in ("labeled", "validation")):
        raise ValueError(f"{where}: {given['image']} has no label; add its path, or move the scan to 'unlabeled'")
    if not isinstance(given.get("organ", "none"), str) or not given.get("organ", "none"):
        raise ValueError(f"{where}: the organ of {given['image']} must be a name, got {given['organ']!r}")
    item = scan_item(root / given["image"], None if label is None else root / label) | _organ(given)
    for path in item_files(item):
        if not _exists(path):
            raise ValueError(f"{where}: {path} does not exist; correct the path or dataset_dir")
    return item


def _exists(path: str) -> bool:
    try:
        return channel_files(path)[0].exists()
    except OSError:  # a name too long
        return False
