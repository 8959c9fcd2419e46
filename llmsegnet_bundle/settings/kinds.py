"""What the types of `recipe/settings.yaml` are: their names, and what is one."""

import math
import os
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Kind(NamedTuple):
    """A type of settings.

    Args:
        one, many: its name, of a single value and of several.
        fits: whether a value is one.
        has_parts: whether it is a structure, each part of which has an id of its own.
    """

    one: str
    many: str
    fits: Callable[[Any], bool]
    has_parts: bool = False


def _is_path(value: Any) -> bool:
    return isinstance(value, str | PathLike) and str(value) != ""


def _is_folder(value: Any) -> bool:
    """Whether a value names a folder, or a place where one can be made."""
    if not _is_path(value):
        return False
    place = Path(value).absolute()
    return next((os.path.isdir(part) for part in (place, *place.parents) if os.path.exists(part)), False)


def _is_device(value: Any) -> bool:
    try:
        device = torch.device(value)
    except (RuntimeError, TypeError, ValueError):  # the last of numbers beyond 64 bits
        return False
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type in ("cpu", "mps", "xpu")


def _are_files(value: Any) -> bool:
    files = value if isinstance(value, list | tuple) else [value]
    return len(files) > 0 and all(map(_is_path, files))


def _are_transforms(value: Any) -> bool:
    """Whether a value is what the config makes of one transform, or of a list of them; None of a disabled one."""
    return all(one is None or callable(one) for one in (value if isinstance(value, list | tuple) else [value]))


def _are_label_values(value: Any) -> bool:
    return 2 <= value <= 255 if type(value) is int else hasattr(value, "never_both")


def _are_names(value: Any) -> bool:
    named = isinstance(value, list | tuple) and all(isinstance(one, str) and one.strip() for one in value)
    return named and len(set(value)) == len(value) > 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


KINDS = {
    "bool": Kind("True or False", "True or False", lambda value: isinstance(value, bool)),
    "whole": Kind("a whole number", "whole numbers", lambda value: type(value) is int),
    "number": Kind("a number", "numbers", _is_number),
    "word": Kind("", "", lambda value: False),
    "text": Kind("a text", "texts", lambda value: isinstance(value, str)),
    "path": Kind("a path", "paths", _is_path),
    "files": Kind("a file, or two", "", _are_files),
    "file_list": Kind("a file, or a list of them", "", _are_files, has_parts=True),
    "folder": Kind("a folder, or where one can be made", "", _is_folder),
    "embedding": Kind("a file", "", lambda value: _is_path(value) or isinstance(value, Mapping)),
    "device": Kind("cpu, or cuda or cuda:N of a GPU that is there", "", _is_device),
    "names": Kind("a list of different names", "", _are_names, has_parts=True),
    "transforms": Kind("a transform, or a list of them", "", _are_transforms, has_parts=True),
    "label_values": Kind("a whole number from 2 to 255, or LabelValues", "", _are_label_values, has_parts=True),
    "structure": Kind("a structure", "", lambda value: True, has_parts=True),
}
