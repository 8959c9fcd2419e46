"""Bundles: written from the recipe and a data set's differences, checked before they run."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import torch
from monai.bundle import ConfigParser
from torch import nn

from llmsegnet_bundle.files import read_mapping, write_texts
from llmsegnet_bundle.networks import EncoderDecoder
from llmsegnet_bundle.networks.description import FOLLOWED
from llmsegnet_bundle.networks.pair import DEPLOYS
from llmsegnet_bundle.precision import has_bf16

# each config and the parts of the recipe that it is merged from; later parts win
CONFIGS = {
    "train": ("scan", "backbone", "pair", "training", "train"),
    "train_supervised": ("scan", "backbone", "alone", "training", "train_supervised"),
    "inference": ("scan", "backbone", "pair", "inference"),
    "paper": ("paper",),
    "evaluate": ("evaluate",),
    "multi_gpu_train": ("multi_gpu_train",),
    "metadata": ("metadata",),
}
FOLLOWING = ("inference", "evaluate")  # configs that take from the weights what these were trained with
REMOVED = ("check_root", "check_training", "check_flags")  # of what configs of version 0.1.0 call
Result = TypeVar("Result")


def __getattr__(name: str) -> Any:
    """Refuse what only configs of an older version call, with the cure."""
    if name in REMOVED:
        command = "python -m llmsegnet_bundle assemble"
        raise ValueError(f"the configs of this bundle are of an older version; run `{command}` with its folder")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def exit_on_error(function: Callable[..., Result], *args: Any) -> Result:
    """Return `function(*args)`; a ValueError of it ends the run with its one line and status 1.

    For calls within a config: an exception there would end as the traceback of the config parser.
    """
    try:
        return function(*args)
    except ValueError as error:
        raise SystemExit(str(error)) from None


def check_crop(network: nn.Module, crop: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not train on crops of this size."""
    _check_sides("crop", crop, [backbone.check_crop for backbone in _backbones(network)])


def check_window(network: nn.Module, window: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not take windows of this size."""
    _check_sides("window", window, [backbone.bottleneck_size for backbone in _backbones(network)])


def _backbones(network: nn.Module) -> list[EncoderDecoder]:
    return [module for module in network.modules() if isinstance(module, EncoderDecoder)]


def _check_sides(name: str, sides: Any, checks: Sequence[Callable[[list[int]], Any]]) -> None:
    for check in checks:
        try:
            check(list(sides))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def check_deploy(deploy: str, alternate: bool = False) -> str:
    """Return `deploy`.

    Raises:
        ValueError: when it is unknown, or `alternate` mixes both networks into what should be the answer of one.
    """
    if deploy not in DEPLOYS:
        raise ValueError(f"deploy: must be mean, alpha or beta, got {deploy!r}")
    if alternate and deploy != "mean":
        raise ValueError(f"alternate: must be False when deploy is {deploy}, as it answers with both networks")
    return deploy


def check_pair(network: nn.Module) -> None:
    """Raise ValueError when `network` is no pair: the overlay for several processes wraps alpha and beta."""
    if not hasattr(network, "alpha"):
        raise ValueError("multi_gpu_train.json: goes over train.json; train the labeled-only baseline in one process")


def check_micro_batches(micro_batches: int, batch: Sequence[int]) -> int:
    """Return `micro_batches`, the parts that both shares of `batch` are split into.

    Raises:
        ValueError: when it does not divide both.
    """
    if micro_batches < 1 or any(share % micro_batches for share in batch):
        raise ValueError(f"micro_batches: must divide both shares of batch {list(batch)}, got {micro_batches}")
    return micro_batches


def describe(labeled: int, unlabeled: int, validation: int, total_steps: int, device: torch.device | str) -> str:
    """Return the line that a training starts with."""
    kind = "bfloat16" if has_bf16(device) else "float32"
    stream = f"{unlabeled} unlabeled" if unlabeled else "no unlabeled scans (training is supervised only)"
    return f"{labeled} labeled, {stream}, {validation} validation scans; {total_steps} steps on {device} in {kind}"


def assemble(bundle: str | Path, check: bool = False) -> None:
    """Write the `configs` folder of a bundle from the recipe and its `dataset.yaml`.

    An id of `dataset.yaml` replaces the one of the recipe in each config that has it, but for paper.json, whose ids
    stand under `paper`.

    Args:
        bundle: folder of the bundle.
        check: write nothing, and raise when a config is not what would be written.

    Raises:
        ValueError: when there is no `dataset.yaml`, it has an id that no config knows, or a check fails.
    """
    dataset_file = Path(bundle) / "dataset.yaml"
    if not dataset_file.is_file():
        raise ValueError(f"{dataset_file} does not exist; a bundle is made from one")
    dataset = read_mapping(dataset_file)
    paper = dataset.pop("paper", {})
    recipe = files("llmsegnet_bundle") / "recipe"
    unknown = set(dataset)
    texts = {"logging.conf": (recipe / "logging.conf").read_text(encoding="utf-8")}
    for name, parts in CONFIGS.items():
        config = _merge([recipe / f"{part}.yaml" for part in parts])
        unknown -= set(config)
        own = {key: value for key, value in dataset.items() if key in config}
        config |= paper if name == "paper" else own
        if name in FOLLOWING:
            config |= _followed(_merge([recipe / f"{part}.yaml" for part in CONFIGS["train"]]) | dataset)
        texts[f"{name}.json"] = json.dumps(config, indent=4) + "\n"
    if unknown:
        raise ValueError(f"{dataset_file}: no config has {', '.join(sorted(unknown))}; see llmsegnet_bundle/recipe")
    configs = Path(bundle) / "configs"
    for file, text in ((configs / name, text) for name, text in texts.items() if check):
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise ValueError(f"{file} is not what its recipe gives; run `python -m llmsegnet_bundle assemble {bundle}`")
    if not check:
        write_texts(configs, texts)


def _followed(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ids that follow the weights: what their JSON says, or without one what `training` has."""
    backbone, transforms = training["backbone"], _follow("intensity_transforms", "@own_intensity_transforms")
    names = [name for name in FOLLOWED if name in training]
    ids: dict[str, Any] = {name: _follow(name, training[name]) for name in names}
    return {
        "followed": f"$bundles.exit_on_error(description.follow, @model_file, {backbone['_target_']!r})",
        **ids,
        "backbone": backbone | {"_target_": _follow("backbone", backbone["_target_"])},
        "own_intensity_transforms": training["intensity_transforms"],
        "intensity_transforms": f"$description.build_transforms({transforms.removeprefix('$')})",
    }


def _follow(name: str, value: Any) -> str:
    is_code = isinstance(value, str) and value[:1] in ("$", "@")
    return f"$@followed.get({name!r}, {value.removeprefix('$') if is_code else repr(value)})"


def _merge(parts: Sequence[Any]) -> dict[str, Any]:
    if len(parts) == 1:  # an overlay: its ids with # are for the config that it will lie over
        return ConfigParser.load_config_file(str(parts[0]))
    return ConfigParser.load_config_files([str(part) for part in parts])
