"""What weights were trained with, as ids of the config: written beside them, followed by inference and evaluation."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn

from llmsegnet_bundle import networks
from llmsegnet_bundle.networks.pair import LLMSegNetPair
from llmsegnet_bundle.networks.weights import read_description, refuse_misfit
from llmsegnet_bundle.settings import has_id, read_table
from llmsegnet_bundle.text import describe_embedding, embedding_sha256, load_embedding

# ids that inference and evaluation take from the weights, besides the class of `backbone`
FOLLOWED = (*(setting.name for setting in read_table().values() if setting.weights), "deploy")
FREE = ("dropout", "deploy", "class_names")  # may differ from the weights': they change no weight and no input
MEND = "take the weights' value by leaving the setting away, or give the config or the model_file that goes with it"


def describe(config: ConfigParser) -> dict[str, Any]:
    """Return the ids of `config` that its weights depend on, with plain values, and how many networks they hold.

    An id that is missing, or whose value JSON cannot hold (a transform with a torch type, say), is left out.
    """
    settings = {"backbone": _plain(config, "backbone::_target_")}
    for name in (*FOLLOWED, "class_names"):
        if has_id(config, name):
            with suppress(TypeError):
                as_written = name == "intensity_transforms"  # blocks, to be built again
                settings[name] = _plain(config, name) if as_written else _as_json(config.get_parsed_content(name))
    if not has_id(config, "embedding"):  # of a network without text
        settings.pop("text_embedding", None)
    elif (text := settings["text_embedding"]) != "none" and not isinstance(text, Mapping):
        settings["text_embedding"] = describe_embedding(text)
    settings["networks"] = 2 if hasattr(config.get_parsed_content("network_def"), "beta") else 1
    return settings


def follow(model_file: str | Path, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that `model_file` was trained with, as the JSON beside it says, its transforms built.

    Args:
        model_file: of `write_weights`.
        defaults: id -> value of a training of this bundle, for what the file does not tell; "backbone" is the class.

    Raises:
        ValueError: as `read_description`, or when it names a class of network that is neither ours nor the default.
    """
    told = read_description(model_file).get("settings", {})
    settings = {name: told.get(name, value) for name, value in defaults.items()}
    ours, theirs = defaults["backbone"], str(settings["backbone"])
    if theirs not in (ours, *(f"llmsegnet_bundle.networks.{name}" for name in networks.__all__)):
        raise ValueError(f"backbone: {model_file} was trained with {theirs}, this config has {ours}; {MEND}")
    return settings | {"intensity_transforms": build_transforms(settings["intensity_transforms"])}


def check_config(config: ConfigParser, model_file: str | Path) -> None:
    """Raise ValueError when a setting of `config` contradicts what `model_file` was trained with."""
    theirs, ours = read_description(model_file).get("settings", {}), describe(config)
    for name, value in theirs.items():
        if name in ours and name not in FREE and _identity(ours[name]) != _identity(value):
            told, here = _in_words(value), _in_words(ours[name])
            raise ValueError(f"{name}: {model_file} was trained with {told}, this config has {here}; {MEND}")


def build_transforms(transforms: Sequence[Any]) -> list[Any]:
    """Return transforms, of which some may be descriptions as in a config."""
    return [
        ConfigParser({"it": one}).get_parsed_content("it") if isinstance(one, Mapping) else one for one in transforms
    ]


def build_embedding(text_embedding: str | Mapping[str, Any]) -> Tensor | None:
    """Return the embedding of a file, None for "none"; zeros for a described one, which the weights bring themselves.

    Raises:
        ValueError: as `load_embedding`.
    """
    if isinstance(text_embedding, Mapping):
        return torch.zeros([int(side) for side in text_embedding["shape"]])
    return load_embedding(text_embedding)


def build_network(
    alpha: nn.Module, beta: nn.Module, deploy: str, networks: int, model_file: str | Path = "model.pt"
) -> nn.Module:
    """Return the pair, or for 1 of `networks` alpha's backbone, as a network that refuses another one's weights.

    Args:
        alpha: with its text, as `beta`.
        beta: the other one.
        deploy: of the pair.
        networks: 1 or 2.
        model_file: whose description they were built from, for the refusal; bundles of version 0.2.1 give none.
    """
    network = LLMSegNetPair(alpha, beta, deploy) if networks == 2 else alpha.get_submodule("backbone")
    network.register_load_state_dict_pre_hook(partial(refuse_misfit, model_file=model_file))
    return network


def text_identity(config: ConfigParser) -> dict[str, Any] | str:
    """Return sha256 and shape of the embedding of a config; "none" of a network without text."""
    embedding = config.get_parsed_content("embedding") if has_id(config, "embedding") else None
    if embedding is None:
        return "none"
    return {"sha256": embedding_sha256(embedding.contiguous()), "shape": list(embedding.shape)}


def _identity(value: Any) -> Any:
    """Return what two settings must have in common; of a text its numbers, however it is described."""
    return value["sha256"] if isinstance(value, Mapping) and "sha256" in value else value


def _in_words(value: Any) -> Any:
    if not isinstance(value, Mapping) or "sha256" not in value:
        return value
    made = " of ".join(str(value[key]) for key in ("encoder", "encoder_revision") if value.get(key))
    of = f" of {value['organ']}" if "organ" in value else ""
    return f"the text{of} with sha256 {value['sha256'][:12]}" + (f", encoded by {made}" if made else "")


def _plain(config: ConfigParser, name: str) -> Any:
    raw = config[name]
    if isinstance(raw, Mapping):
        return {key: _plain(config, f"{name}::{key}") for key in raw}
    if isinstance(raw, list | tuple):
        return [_plain(config, f"{name}::{i}") for i in range(len(raw))]
    return _as_json(config.get_parsed_content(name) if isinstance(raw, str) else raw)


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is no plain value")
