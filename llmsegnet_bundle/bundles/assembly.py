"""The configs of a bundle, written from the recipe and the differences of its data set."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from llmsegnet_bundle.bundles.page import read_comments, settings_page
from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.files import refuse_input, write_texts
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
    """Write the `configs` folder and `docs/settings.md` of a bundle from the recipe and its `dataset.yaml`.

    An id of `dataset.yaml` replaces the one of the recipe in each config that has it, but for paper.json, whose ids
    stand under `paper`. What the metadata takes from an id of train.json, as `@classes`, stands there as its value.

    Args:
        bundle: folder of the bundle.
        check: write nothing, and raise when a file is not what would be written.

    Raises:
        ValueError: when there is no `dataset.yaml`, it has an id that no config knows, or a check fails.
    """
    dataset_file = Path(bundle) / "dataset.yaml"
    if not dataset_file.is_file():
        raise ValueError(f"{dataset_file} does not exist; a bundle is made from one")
    dataset = read_mapping(dataset_file)
    if not isinstance(paper := dataset.pop("paper", {}), dict):
        raise ValueError(f"{dataset_file}: paper must hold keys and values, got {paper!r}")
    recipe = files("llmsegnet_bundle") / "recipe"
    unknown = set(dataset)
    texts = {"logging.conf": (recipe / "logging.conf").read_text(encoding="utf-8")}
    merged: dict[str, dict[str, Any]] = {}
    for name, parts in CONFIGS.items():
        config = _merge([recipe / f"{part}.yaml" for part in parts])
        unknown -= set(config)
        own = {key: value for key, value in dataset.items() if key in config}
        config |= paper if name == "paper" else own
        if name in FOLLOWING:
            config |= _followed(_merge([recipe / f"{part}.yaml" for part in CONFIGS["train"]]) | dataset)
        if name == "metadata":
            config = _described(config, merged["train"])
        texts[f"{name}.json"] = _as_json(config, dataset_file)
        merged[name] = config
    if unknown:
        raise ValueError(
            f"{dataset_file}: no config has {', '.join(sorted(unknown))}; take it out, or see llmsegnet_bundle/recipe"
        )
    told = {name: config for name, config in merged.items() if name != "metadata"}
    page = settings_page(told, {name: _comments(recipe, name, dataset_file, paper) for name in told})
    for folder, written in (("configs", texts), ("docs", {"settings.md": page})):
        if not check:
            for name in written:
                refuse_input(Path(bundle) / folder / name, [dataset_file])
            write_texts(Path(bundle) / folder, written)
        elif stale := [name for name, text in written.items() if _text(Path(bundle) / folder / name) != text]:
            file = Path(bundle) / folder / stale[0]
            raise ValueError(f"{file} is not what its recipe gives; run `python -m llmsegnet_bundle assemble {bundle}`")


def _as_json(config: dict[str, Any], dataset_file: Path) -> str:
    try:
        return json.dumps(config, indent=4) + "\n"
    except TypeError as error:  # such as a date, which YAML has and JSON has not
        raise ValueError(f"{dataset_file} holds what JSON does not ({error}); put quotes around it") from None


def _comments(recipe: Any, name: str, dataset_file: Path, paper: Mapping[str, Any]) -> dict[str, str]:
    comments: dict[str, str] = {}
    for part in CONFIGS[name]:
        comments |= read_comments((recipe / f"{part}.yaml").read_text(encoding="utf-8").splitlines())
    own = dataset_file.read_text(encoding="utf-8").splitlines()
    if name != "paper":
        return comments | read_comments(own)
    kept = {key: comment for key, comment in comments.items() if key not in paper}  # it tells of another value
    return kept | read_comments(own, under="paper")


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _described(metadata: dict[str, Any], training: dict[str, Any]) -> Any:
    """Return metadata with values in the place of references to ids of the training, which its readers do not know."""
    return ConfigParser(training | {"metadata": metadata}).get_parsed_content("metadata")


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
