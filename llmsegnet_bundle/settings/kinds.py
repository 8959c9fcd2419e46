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
    """

    one: str
    many: str
    fits: Callable[[Any], bool]


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
    except (RuntimeError, TypeError):
        return False
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type in ("cpu", "mps", "xpu")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


KINDS = {
    "bool": Kind("True or False", "True or False", lambda value: isinstance(value, bool)),
    "whole": Kind("a whole number", "whole numbers", lambda value: type(value) is int),
    "number": Kind("a number", "numbers", _is_number),
    "word": Kind("", "", lambda value: False),
    "text": Kind("a text", "texts", lambda value: isinstance(value, str)),
    "path": Kind("a path", "paths", _is_path),
    "files": Kind(
        "a file, or two", "", lambda value: all(map(_is_path, value if isinstance(value, list) else [value]))
    ),
    "folder": Kind("a folder, or where one can be made", "", _is_folder),
    "embedding": Kind("a file", "", lambda value: _is_path(value) or isinstance(value, Mapping)),
    "device": Kind("cpu, or cuda or cuda:N of a GPU that is there", "", _is_device),
    "structure": Kind("a structure", "", lambda value: True),
}
