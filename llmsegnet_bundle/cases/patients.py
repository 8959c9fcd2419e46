"""Scans of one patient: kept in one list of a split, or told where their names look like it."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from llmsegnet_bundle.scans import case_name

Lists = Mapping[str, Sequence[Mapping[str, str]]]  # of cases
HELD_OUT = ("validation", "test")
MOST_OF_ONE = 0.2  # of the scans: a name's beginning that more share is that of the data set, as LA_000


def patients_of(names: Sequence[str], patient: str | None) -> dict[str, str]:
    """Return scan -> patient.

    Args:
        names: of the scans.
        patient: a regular expression whose first match in a name is the patient (its first group, if it has one);
            `TABLE.csv:COLUMN` for a table whose first column names the scans; None for a patient a scan.

    Raises:
        ValueError: when the expression or table is malformed, or a scan has no patient in it.
    """
    if patient is None:
        return {name: name for name in names}
    file, _, column = patient.rpartition(":")
    known = _from_table(Path(file), column) if file.lower().endswith(".csv") else _from_names(names, patient)
    if lacking := [name for name in names if not known.get(name)]:
        raise ValueError(f"patient: {patient} has no patient for {lacking[0]}; correct it, or leave the scan out")
    return {name: known[name] for name in names}


def check_patients(lists: Lists, patients: Mapping[str, str]) -> None:
    """Raise ValueError when a patient has scans that are trained on, labeled or not, and others in another list."""
    places: dict[str, tuple[str, str]] = {}
    for part, items in lists.items():
        for name in (case_name(item["image"]) for item in items):
            other, where = places.setdefault(patients[name], (name, part))
            if where != part and {where, part} != {"labeled", "unlabeled"}:
                raise ValueError(f"{name} ({part}) and {other} ({where}) are of one patient; name both for one list")


def warn_of_patients(lists: Lists) -> None:
    """Print a line on stderr when names in two lists look like scans of one patient."""
    names = [case_name(item["image"]) for items in lists.values() for item in items]
    looks = _alike(names)
    groups: dict[str, dict[str, str]] = {}  # what names begin with -> list -> a scan in it
    for part, items in lists.items():
        for name in (case_name(item["image"]) for item in items):
            if name in looks:
                groups.setdefault(looks[name], {}).setdefault(part, name)
    # those that are trained on and held out are told first: their scores are too good
    parted = sorted((group for group in groups.values() if len(group) > 1), key=_is_trained_on_alone)
    if parted:
        pair = sorted(parted[0].items(), key=lambda place: place[0] in HELD_OUT)
        told = " and ".join(f"{name} ({part})" for part, name in (pair[0], pair[-1]))
        more = f", as do those of {len(parted) - 1} more" if len(parted) > 1 else ""
        advice = "keep the scans of a patient in one list by split --patient"
        print(f"warning: {told} look like scans of one patient{more}; {advice}", file=sys.stderr)


def _is_trained_on_alone(places: Collection[str]) -> bool:
    return not any(part in places for part in HELD_OUT)


def _alike(names: Sequence[str]) -> dict[str, str]:
    """Return scan -> the shortest beginning of its name that few enough share, where any two share one."""
    parts = {name: re.split(r"[_\-. ]+", name) for name in names}
    for count in range(1, max(map(len, parts.values()), default=0)):
        begin = {name: "_".join(words[:count]) for name, words in parts.items() if len(words) > count}
        sizes = Counter(begin.values())
        if sizes and max(sizes.values()) <= MOST_OF_ONE * len(names):
            return begin
    return {}


def _from_names(names: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        found = {name: re.search(pattern, name) for name in names}
    except re.error as error:
        raise ValueError(f"patient: {pattern!r} is no regular expression ({error}); such as 'patient\\d+'") from None
    return {name: match.group(1 if match.re.groups else 0) or "" for name, match in found.items() if match}


def _from_table(file: Path, column: str) -> dict[str, str]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"patient: {file} cannot be read ({error}); give TABLE.csv:COLUMN") from None
    if not rows or column not in rows[0]:
        have = ", ".join(rows[0]) if rows else "no row"
        raise ValueError(f"patient: {file} must have the column {column!r}, has {have}")
    first = next(iter(rows[0]))
    return {case_name(row[first] or ""): row[column] or "" for row in rows}
