"""The configs of a bundle, written from the recipe and the differences of its data set."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from llmsegnet_bundle.files import read_mapping, write_texts
from llmsegnet_bundle.networks.description import FOLLOWED

# each config and the parts of the recipe that it is merged from; later parts win
CONFIGS = {
    "train": ("scan", "backbone", "pair", "training", "train"),
    "train_supervised": ("scan", "backbone", "alone", "training", "train_supervised"),
    "inference": ("scan", "backbone", "pair", "answer", "inference"),
    "paper": ("paper",),
    "evaluate": ("answer", "evaluate"),
    "multi_gpu_train": ("multi_gpu_train",),
    "metadata": ("metadata",),
}
FOLLOWING = ("inference", "evaluate")  # configs that take from the weights what these were trained with


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
    backbone = training["backbone"]
    names = [name for name in FOLLOWED if name in training]
    defaults = {"backbone": backbone["_target_"], "networks": training["networks"]}
    follow = {"_target_": "llmsegnet_bundle.networks.description.follow", "model_file": "@model_file"}
    return {
        "followed": follow | {"defaults": defaults | {name: training[name] for name in names}},
        **{name: f"$@followed['{name}']" for name in names},
        "backbone": backbone | {"_target_": "$@followed['backbone']"},
    }


def _merge(parts: Sequence[Any]) -> dict[str, Any]:
    """Return ids as they are: those with # of an overlay are for the config that it will lie over."""
    config: dict[str, Any] = {}
    for part in parts:
        for name, value in ConfigParser.load_config_file(str(part)).items():
            merge_kv(config, name, value)
    return config
