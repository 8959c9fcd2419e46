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
from llmsegnet_bundle.networks.pair import DEPLOYS
from llmsegnet_bundle.precision import has_bf16

# each config and the parts of the recipe that it is merged from; later parts win
CONFIGS = {
    "train": ("scan", "backbone", "pair", "training", "train"),
    "train_supervised": ("scan", "backbone", "alone", "training", "train_supervised"),
    "inference": ("scan", "backbone", "pair", "inference"),
    "evaluate": ("evaluate",),
    "multi_gpu_train": ("multi_gpu_train",),
    "metadata": ("metadata",),
}
Result = TypeVar("Result")


def exit_on_error(function: Callable[..., Result], *args: Any) -> Result:
    """Return `function(*args)`; a ValueError of it ends the run with its one line and status 1.

    For calls within a config: an exception there would end as the traceback of the config parser.
    """
    try:
        return function(*args)
    except ValueError as error:
        raise SystemExit(str(error)) from None


def check_root(bundle_root: str | Path) -> None:
    """Raise ValueError when `bundle_root` is no bundle, so that nothing is written to a wrong place."""
    if not (Path(bundle_root) / "configs" / "metadata.json").is_file():
        raise ValueError(f"bundle_root: {Path(bundle_root).resolve()} is no bundle; give --bundle_root bundles/NAME")


def check_training(bundle_root: str | Path, batch: Sequence[int], max_steps: int, val_interval: int) -> None:
    """Raise ValueError, in one line that names the setting, when a run with these settings would fail later."""
    check_root(bundle_root)
    if not _are_ints(batch, 2) or batch[0] < 1 or batch[1] < 0:
        raise ValueError(f"batch: must be [labeled, unlabeled] crops, labeled at least 1, got {batch}")
    for name, value in (("max_steps", max_steps), ("val_interval", val_interval)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name}: must be a whole number of at least 1, got {value}")


def check_crop(network: nn.Module, crop: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not train on crops of this size."""
    _check_sides("crop", crop, [backbone.check_crop for backbone in _backbones(network)])


def check_window(network: nn.Module, window: Sequence[int]) -> None:
    """Raise ValueError when a backbone in `network` does not take windows of this size."""
    _check_sides("window", window, [backbone.bottleneck_size for backbone in _backbones(network)])


def _backbones(network: nn.Module) -> list[EncoderDecoder]:
    return [module for module in network.modules() if isinstance(module, EncoderDecoder)]


def _check_sides(name: str, sides: Any, checks: Sequence[Callable[[list[int]], Any]]) -> None:
    if not _are_ints(sides, 3) or min(sides) < 1:
        raise ValueError(f"{name}: must be three whole numbers of at least 1, got {sides}")
    for check in checks:
        try:
            check(list(sides))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def _are_ints(values: Any, count: int) -> bool:
    return isinstance(values, list | tuple) and len(values) == count and all(type(value) is int for value in values)


def check_flags(flags: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that is neither True nor False, such as the text "false", which counts as true."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name}: must be True or False, got {value!r}; write --{name} True or --{name} False")


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


def load_weights(network: nn.Module, model_file: str | Path) -> None:
    """Load `model_file` into `network`, strictly.

    Raises:
        ValueError: when the file is missing, unreadable or of another network.
    """
    weights = _read_weights(model_file)
    try:
        network.load_state_dict(weights)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"model_file: {model_file} does not fit this network ({reason})") from None


def halve_weights(model_file: str | Path, output: str | Path) -> None:
    """Write the weights of `model_file` in half precision; loading brings them back to the network's own.

    Raises:
        ValueError: when `model_file` is missing or holds no weights.
    """
    weights = _read_weights(model_file)
    if not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError(f"model_file: {model_file} holds more than weights; give a model.pt of a training")
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    part = Path(f"{output}.part")
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in weights.items()}, part)
    part.replace(output)


def _read_weights(model_file: str | Path) -> dict[str, Any]:
    if not Path(model_file).is_file():
        raise ValueError(f"model_file: {model_file} does not exist; train first, or give --ckpt_dir or --model_file")
    try:
        return dict(torch.load(model_file, map_location="cpu", weights_only=True))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"model_file: {model_file} holds no weights ({reason})") from None


def assemble(bundle: str | Path, check: bool = False) -> None:
    """Write the `configs` folder of a bundle from the recipe and its `dataset.yaml`.

    An id of `dataset.yaml` replaces the one of the recipe in each config that has it.

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
    recipe = files("llmsegnet_bundle") / "recipe"
    unknown = set(dataset)
    texts = {"logging.conf": (recipe / "logging.conf").read_text(encoding="utf-8")}
    for name, parts in CONFIGS.items():
        config = _merge([recipe / f"{part}.yaml" for part in parts])
        unknown -= set(config)
        config |= {key: value for key, value in dataset.items() if key in config}
        texts[f"{name}.json"] = json.dumps(config, indent=4) + "\n"
    if unknown:
        raise ValueError(f"{dataset_file}: no config has {', '.join(sorted(unknown))}; see llmsegnet_bundle/recipe")
    configs = Path(bundle) / "configs"
    for file, text in ((configs / name, text) for name, text in texts.items() if check):
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise ValueError(f"{file} is not what its recipe gives; run `python -m llmsegnet_bundle assemble {bundle}`")
    if not check:
        write_texts(configs, texts)


def _merge(parts: Sequence[Any]) -> dict[str, Any]:
    if len(parts) == 1:  # an overlay: its ids with # are for the config that it will lie over
        return ConfigParser.load_config_file(str(parts[0]))
    return ConfigParser.load_config_files([str(part) for part in parts])
