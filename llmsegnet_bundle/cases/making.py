"""Split files made from a folder: by counts, named lists, folds and a seed, without leaks between the lists."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from llmsegnet_bundle.cases.patients import check_patients, patients_of, warn_of_patients
from llmsegnet_bundle.cases.presets import preset_lists
from llmsegnet_bundle.cases.repeats import check_repeats
from llmsegnet_bundle.cases.split import Datalist, Item, digest, folder_items, item_files, scan_item
from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.scans import PathLike, case_name, channel_files

Choice = int | str | Path | Sequence[str] | None


def make_split(
    dataset_dir: PathLike,
    output: PathLike,
    labeled: Choice = None,
    validation: Choice = None,
    test: Choice = 0,
    train: Choice = None,
    exclude: Choice = None,
    folds: int | None = None,
    seed: int | None = None,
    preset: str | None = None,
    workers: int = 2,
    in_channels: int = 1,
    content: Mapping[str, str] | None = None,
    patient: str | None = None,
) -> list[Path]:
    """Write the split of a folder as a JSON file that `from_file` reads, paths relative to dataset_dir.

    A list is a text file with a name a line, or names: of scans, without suffix, or their numbers (`0001`, `image0001`
    for `PANCREAS_0001`). Named scans are taken out first. Counts then draw from the other scans with a label, by name:
    test and validation the last ones, labeled the first ones. The rest is unlabeled.

    Args:
        dataset_dir: holds imagesTr and labelsTr with the same file names.
        output: the split file; with folds, `NAME_fold1.json` and so on.
        labeled: how many scans, "all", or a list; None for 8, or the number of the preset.
        validation: how many scans, or a list; None for 12, or the scans of the preset. Not used with folds.
        test: how many scans, or a list.
        train: a list, in the order that the count of labeled takes; it limits labeled and unlabeled scans to its own.
            None for all scans, by name.
        exclude: a list of scans to leave out.
        folds: write this many files; each holds a fold of the scans with a label as validation.
        seed: shuffles the scans that counts and folds draw from; None for their order.
        preset: a name of `presets`, whose lists take the place of test, train, folds and seed; labeled is then a number
            or "all", validation a number. Scans of it that are not there get a line of warning on stderr.
        workers: threads that read the scans.
        in_channels: as for `scan_files`, of imagesTr.
        content: as for `check_repeats`.
        patient: as for `patients_of`: scans of one patient are drawn together, so that a list may get more than its
            count, and those without a label of a patient that validates or tests are left out. None groups nothing,
            and names that look like it get a line of warning on stderr.

    Returns:
        The files written.

    Raises:
        ValueError: when a name is unknown or in two lists, there are too few scans, or two scans in different lists
            have the same voxels; nothing is written then.

    Example:
        >>> make_split("data/left_atrium", "la_16.json", labeled=16)
        >>> make_split("data/brats19", "b.json", 25, "brats19_val.list", "brats19_test.list", "brats19_train.list")
        >>> make_split("data/left_atrium", "la_16.json", 16, preset="left_atrium")
    """
    if in_channels < 1:
        raise ValueError(f"in_channels must be at least 1, got {in_channels}")
    items = folder_items(dataset_dir, in_channels)
    if preset is not None:
        if test or train is not None or folds is not None or seed is not None:
            raise ValueError("preset fixes the lists; leave out test, train, folds and seed, or preset")
        there = items.keys() - set(_names(exclude, items, "exclude"))
        lists, lacking = preset_lists(preset, there, cast(int | str | None, labeled), cast(int | None, validation))
        labeled, train, validation, test = (lists[part] for part in ("labeled", "train", "validation", "test"))
        for line in lacking:
            print(f"warning: {line}", file=sys.stderr)
    labeled, validation = 8 if labeled is None else labeled, 12 if validation is None else validation
    names = {part: _names(choice, items, part) for part, choice in (("test", test), ("exclude", exclude))}
    names["validation"] = [] if folds is not None else _names(validation, items, "validation")
    names["labeled"] = [] if labeled == "all" else _names(labeled, items, "labeled")
    order = list(items) if train is None else _names(train, items, "train")
    _refuse_overlap(names | ({} if train is None else {"train": order}))
    taken = {name for part in names.values() for name in part}
    patients = patients_of(list(items), patient)
    apart = {patients[name] for part in ("test", "validation") for name in names[part]}
    blocks = _by_patient([name for name in order if name not in taken and patients[name] not in apart], patients)
    if seed is not None:
        blocks = [blocks[i] for i in np.random.default_rng(seed).permutation(len(blocks))]
    free = [name for block in blocks for name in block]
    with_label = [name for name in free if "label" in items[name]]
    names["test"] += _draw(with_label, test, "test", patients)
    splits = []
    if folds is None:
        names["validation"] += _draw(with_label, validation, "validation", patients)
        splits.append(names["validation"])
    else:
        groups = _by_patient(with_label, patients)
        if not isinstance(folds, int) or not 2 <= folds <= len(groups):
            what = "scans" if patient is None else "patients"
            raise ValueError(f"folds must be from 2 to the {len(groups)} {what} with a label, got {folds!r}")
        splits += [[name for group in groups[i::folds] for name in group] for i in range(folds)]
    made = [_lists(items, names, held_out, free, labeled, patients) for held_out in splits]
    for lists_made in made:
        check_patients(lists_made, patients)
        if patient is None:
            warn_of_patients(lists_made)
    check_repeats(made, workers, content)
    output = Path(output)
    files = [output] if folds is None else [output.with_name(f"{output.stem}_fold{i + 1}.json") for i in range(folds)]
    lists_read = [choice for choice in (labeled, validation, test, train, exclude) if isinstance(choice, str | Path)]
    scans_read = [file for item in items.values() for path in item_files(item) for file in channel_files(path)]
    told = [Path(dataset_dir) / "dataset.json", (patient or "").rpartition(":")[0], *lists_read]
    for file in files:
        refuse_input(file, [*told, *scans_read])
    write_texts(
        output.parent, {file.name: _text(part, Path(dataset_dir)) for file, part in zip(files, made, strict=True)}
    )
    for file, part in zip(files, made, strict=True):
        print(f"{file}: {', '.join(f'{len(entries)} {key}' for key, entries in part.items())}, digest {digest(part)}")
    return files


def _names(choice: Choice, items: dict[str, Item], part: str) -> list[str]:
    """Return the scans that a list names, in its order; none for a count."""
    if choice is None or (isinstance(choice, int) and part not in ("train", "exclude")):
        return []
    if isinstance(choice, int):
        raise ValueError(f"{part} must be names or a text file of names, got {choice}; write the whole name of a scan")
    if not isinstance(choice, str | Path | list | tuple):
        raise ValueError(f"{part} must be a whole number, or names with commas between, got {choice!r}")
    where, given = part, choice
    if isinstance(choice, str | Path) and "," not in str(choice) and Path(choice).is_file():
        where, given = str(choice), _read_names(Path(choice), part)
    elif isinstance(choice, str | Path):
        given = [name.strip() for name in str(choice).split(",")]
    numbers: dict[str, list[str]] = {}
    for name in items:
        if digits := re.search(r"\d+$", name):
            numbers.setdefault(digits.group(), []).append(name)
    found = [_find(str(entry), items, numbers, where) for entry in cast(Sequence[str], given)]
    if twice := [name for i, name in enumerate(found) if name in found[:i]]:
        raise ValueError(f"{where} names {twice[0]} twice; name every scan once")
    return found


def _read_names(file: Path, part: str) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{part} must be names or a text file of names, {file} is no text") from None


def _find(entry: str, items: dict[str, Item], numbers: dict[str, list[str]], where: str) -> str:
    name = case_name(entry)
    if name in items:
        return name
    number = re.fullmatch(r"(?:image)?(\d+)", name)
    candidates = numbers.get(number.group(1), []) if number else []
    if len(candidates) != 1:
        state = f"of {' and '.join(candidates)}" if candidates else "of no scan in imagesTr, nor a text file of names"
        raise ValueError(f"{where}: {entry} is the name {state}; correct the list or the file name")
    return candidates[0]


def _refuse_overlap(names: dict[str, list[str]]) -> None:
    places: dict[str, str] = {}
    for part, entries in names.items():
        for name in entries:
            where = places.setdefault(name, part)
            if where != part and (where, part) != ("labeled", "train"):
                raise ValueError(f"{name} is in both {where} and {part}; list every scan once")


def _by_patient(names: Sequence[str], patients: Mapping[str, str]) -> list[list[str]]:
    """Return the scans of each patient, in order."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(patients[name], []).append(name)
    return list(groups.values())


def _draw(with_label: list[str], choice: Choice, part: str, patients: Mapping[str, str]) -> list[str]:
    """Take the last scans out of those with a label, and what more their patients have."""
    if not isinstance(choice, int) or isinstance(choice, bool):
        return []
    if choice < 0 or choice > len(with_label):
        raise ValueError(f"{part} must be from 0 to the {len(with_label)} scans with a label left, got {choice}")
    first = len(with_label) - choice
    while choice and first and patients[with_label[first - 1]] == patients[with_label[first]]:
        first -= 1
    drawn = with_label[first:]
    del with_label[first:]
    return drawn


def _lists(
    items: dict[str, Item],
    names: dict[str, list[str]],
    held_out: list[str],
    free: list[str],
    labeled: Choice,
    patients: Mapping[str, str],
) -> Datalist:
    out = {patients[name] for name in (*held_out, *names["test"])}
    rest = [name for name in free if patients[name] not in out]
    kept = list(names["labeled"])
    if labeled == "all" or isinstance(labeled, int):
        able = [name for name in rest if "label" in items[name]]
        if isinstance(labeled, int) and not 1 <= labeled <= len(able):
            raise ValueError(f"labeled must be from 1 to the {len(able)} scans with a label left, got {labeled}")
        count = len(able) if labeled == "all" else int(labeled)
        while count < len(able) and patients[able[count - 1]] == patients[able[count]]:
            count += 1
        kept += able[:count]
    for part, entries in (("labeled", kept), ("validation", held_out), ("test", names["test"])):
        if lacking := [name for name in entries if "label" not in items[name]]:
            raise ValueError(f"{lacking[0]} is {part} and has no label; add it to labelsTr or take it from the list")
    used = set(kept)
    lists = {
        "labeled": [items[name] for name in kept],
        "unlabeled": [scan_item(items[name]["image"]) for name in rest if name not in used],
        "validation": [items[name] for name in held_out],
    }
    return lists | ({"test": [items[name] for name in names["test"]]} if names["test"] else {})


def _text(lists: Datalist, root: Path) -> str:
    relative = {part: [_relative(item, root) for item in items] for part, items in lists.items()}
    return json.dumps(relative, indent=1) + "\n"


def _relative(item: Item, root: Path) -> Item:
    return {key: Path(path).relative_to(root).as_posix() for key, path in item.items()}
