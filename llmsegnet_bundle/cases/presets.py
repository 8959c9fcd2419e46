"""The lists that a field's papers share, by name: which scans train, in which order, and which test."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

COMMUNITY = files(__package__) / "community"


@dataclass(frozen=True)
class Preset:
    """Published lists of one data set.

    Args:
        name: of the preset.
        labeled: how many of train stay labeled unless told otherwise.
        spellings: how folders name a scan, with {name} and {index}, its place in train, validation and test; the first
            is ours.
        train: all training scans in the published order.
        validation: the published list, or how many of the last of train stand in where none is published.
        test: the published list.
    """

    name: str
    labeled: int
    spellings: tuple[str, ...]
    train: tuple[str, ...]
    validation: tuple[str, ...] | int
    test: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Return all scans: train, then the published validation, then test."""
        return self.train + (() if isinstance(self.validation, int) else self.validation) + self.test


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return sorted(file.name.removesuffix(".yaml") for file in COMMUNITY.iterdir() if file.name.endswith(".yaml"))


def preset(name: str) -> Preset:
    """Return the lists of a name.

    Raises:
        ValueError: when there is no such preset.
    """
    if name not in (known := preset_names()):
        raise ValueError(f"preset must be one of {', '.join(known)}, got {name!r}")
    read = yaml.safe_load((COMMUNITY / f"{name}.yaml").read_text(encoding="utf-8"))
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()}
    return Preset(name, **lists)


def preset_lists(
    name: str, found: Collection[str], labeled: int | str | None = None, validation: int | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Divide the scans of a folder as a preset does; a scan's list does not depend on which others are there.

    Args:
        name: of the preset.
        found: the scans that are there, in any of the preset's spellings.
        labeled: the first n of train, "all" for all that do not validate, None for the preset's number.
        validation: the last n of train in place of the preset's own; None for its own.

    Returns:
        The names, as found, of labeled, train (labeled ones included), validation and test; and a line for each list
        that lacks scans.

    Raises:
        ValueError: when the preset is unknown, an option is no such number, or no labeled scan is there.
    """
    chosen = preset(name)
    held_out = chosen.validation if validation is None else validation
    if validation is not None and not isinstance(validation, int):
        raise ValueError(f"validation must be a number with a preset, whose lists are fixed, got {validation!r}")
    if isinstance(held_out, int):
        if not 0 <= held_out < len(chosen.train):
            raise ValueError(f"validation must be from 0 to {len(chosen.train) - 1}, got {validation!r}")
        cut = len(chosen.train) - held_out
        train, validating = chosen.train[:cut], chosen.train[cut:]
    else:
        train, validating = chosen.train, held_out
    first = chosen.labeled if labeled is None else len(train) if labeled == "all" else labeled
    if not isinstance(first, int) or not 1 <= first <= len(train):
        raise ValueError(f"labeled must be 'all' or from 1 to the {len(train)} of {name}, got {labeled!r}")
    spelled = {
        entry: other
        for i, entry in enumerate(chosen.names())
        for way in reversed(chosen.spellings)  # the first wins
        if (other := way.format(name=entry, index=i)) in found
    }
    lists: dict[str, list[str]] = {}
    lacking = []
    for part, entries in (("train", train), ("validation", validating), ("test", chosen.test)):
        lists[part] = [spelled[entry] for entry in entries if entry in spelled]
        if lost := [entry for entry in entries if entry not in spelled]:
            shown = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
            lacking.append(f"{name}: {len(lost)} of {len(entries)} {part} scans are not there ({shown})")
    lists["labeled"] = [spelled[entry] for entry in train[:first] if entry in spelled]
    if not lists["labeled"]:
        ways = " or ".join(way.format(name=train[0], index=0) for way in chosen.spellings)
        raise ValueError(f"{name}: none of its first {first} training scans is there; name them as {ways}")
    return lists, lacking
