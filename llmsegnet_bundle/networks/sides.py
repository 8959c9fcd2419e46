"""Whether a network takes crops and windows of some size: each backbone in it is asked."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from llmsegnet_bundle.networks.backbone import EncoderDecoder


def check_crop(network: nn.Module, crop: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not train on crops of this size."""
    _check_sides("crop", crop, [backbone.check_crop for backbone in _backbones(network)])


def check_window(network: nn.Module, window: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not take windows of this size."""
    _check_sides("window", window, [backbone.bottleneck_size for backbone in _backbones(network)])


def bottleneck_of(backbone: EncoderDecoder, crop: Sequence[int]) -> list[int]:
    """Return (h, w, d) of the bottleneck for crops of this size.

    Raises:
        ValueError: when `backbone` does not take them.
    """
    (size,) = _check_sides("crop", crop, [backbone.bottleneck_size])
    return size


def _backbones(network: nn.Module) -> list[EncoderDecoder]:
    return [module for module in network.modules() if isinstance(module, EncoderDecoder)]


def _check_sides(name: str, sides: Any, checks: Sequence[Callable[[list[int]], Any]]) -> list[Any]:
    whole = isinstance(sides, list | tuple) and all(type(side) is int for side in sides)
    if not whole or len(sides) != 3 or min(sides) < 1:
        raise ValueError(f"{name}: must be three whole numbers of at least 1, got {sides}")
    try:
        return [check(list(sides)) for check in checks]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
