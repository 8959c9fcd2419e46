"""Values of a config that follow from another one, for what a single expression would be too long for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatchExtraInput, default_prepare_batch


def by_device(device: torch.device | str, gpu: Any, cpu: Any) -> Any:
    """Return `gpu` where `device` is a GPU, else `cpu`."""
    return gpu if torch.device(device).type == "cuda" else cpu


def by_classes(classes: int, choices: Mapping[str, Any]) -> Any:
    """Return what `choices` has for this number of classes, as a text.

    Raises:
        ValueError: when it has none.
    """
    return _choose("classes", classes, choices)


def by_channels(in_channels: int, choices: Mapping[str, Any]) -> Any:
    """Return what `choices` has for this number of channels, as a text.

    Raises:
        ValueError: when it has none.
    """
    return _choose("in_channels", in_channels, choices)


def _choose(setting: str, number: int, choices: Mapping[str, Any]) -> Any:
    if str(number) not in choices:
        raise ValueError(f"{setting}: must be {' or '.join(choices)} here, got {number}")
    return choices[str(number)]


def numbered(names: Sequence[str], count: int | None = None) -> dict[str, str]:
    """Return names by their numbers, as the metadata of a bundle has them: the first `count`, None for all."""
    return {str(i): name for i, name in enumerate(names[:count])}


def chosen(options: Mapping[str, Any], name: str, standing: Mapping[str, Any] | None = None) -> Any:
    """Return what an annotator chose, of a list that came as it was offered its first.

    Args:
        options: `displayable_configs`, that MONAI Label puts choices into.
        name: of the option.
        standing: word -> value that it stands for; None for none.
    """
    value = options[name][0] if isinstance(options[name], list) else options[name]
    return (standing or {}).get(value, value)


def first_or_all(datalist: str | None, first: int) -> int | str:
    """Return how many scans are labeled: all of a split file, the `first` ones of a folder without one."""
    return first if datalist is None else "all"


def by_organs(organs: Sequence[str]) -> Callable[..., Any]:
    """Return what an engine makes of a batch: image and label, for a network of several organs with the case's own."""
    return PrepareBatchExtraInput({"text": "organ"}) if organs else default_prepare_batch
