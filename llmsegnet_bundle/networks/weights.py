"""The file that holds a network, `model.pt`, and beside it what the network is, `model.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai.transforms
import torch
from torch import Tensor, nn

import llmsegnet_bundle.transforms
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.files import file_sha256, refuse_input, whole_file, write_texts

TEXT = "text_embedding"  # the buffer of a network's text
SHAPE = {
    "sha256": str,
    "settings": {"backbone": str, "networks": int, "intensity_transforms": list, "text_embedding": (str, dict)},
}


def write_weights(weights: Mapping[str, Tensor], model_file: str | Path, description: Mapping[str, Any]) -> None:
    """Write weights, and beside them a JSON file of the same name that says what they are.

    Each file is replaced whole, and neither by weights that are not finite. The description holds the sha256 of the
    weights, so that one that is not theirs, as after a crash between the two, is refused instead of believed.

    Args:
        weights: a network's state dict.
        model_file: `model.pt`; its folder is made when missing.
        description: what can be written as JSON: "settings" of `description.describe`, "selection" and the like.

    Raises:
        ValueError: when a number of the weights is not finite, or as `files.whole_file`.
    """
    file = Path(model_file)
    if name := not_finite(weights):
        raise ValueError(f"{file} is left as it was: {name} of the new weights is not finite; lower learning_rate")
    with whole_file(file) as part:
        with part.open("wb") as stream:
            torch.save(dict(weights), stream)
        content = {"sha256": file_sha256(part), "llmsegnet_bundle": llmsegnet_bundle.__version__, **description}
    text = json.dumps(content, indent=1) + "\n"
    write_texts(file.parent, {described_in(file).name: text})


def weights_file(bundle_root: str | Path, ckpt_dir: str | Path) -> str:
    """Return where a training puts its weights: into the bundle's `models`, or into another `ckpt_dir` than its own."""
    own = Path(ckpt_dir) == Path(bundle_root) / "checkpoints" / "train"
    return f"{bundle_root}/models/model.pt" if own else f"{ckpt_dir}/model.pt"


def read_weights(model_file: str | Path, setting: str = "model_file") -> dict[str, Tensor]:
    """Return the tensors of a file of weights.

    Args:
        model_file: of `write_weights`.
        setting: id that named the file, for the error.

    Raises:
        ValueError: when the file is missing or unreadable, holds more than weights, or a number that is not finite.
    """
    if not Path(model_file).is_file():
        raise ValueError(f"{setting}: {model_file} does not exist; train first, or give the model.pt of a training")
    try:
        weights = dict(torch.load(model_file, map_location="cpu", weights_only=True))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{setting}: {model_file} holds no weights ({reason})") from None
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"{setting}: {model_file} holds more than weights; give a model.pt of a training")
    if name := not_finite(weights):
        raise ValueError(f"{setting}: {model_file} holds numbers that are not finite ({name}); give other weights")
    return weights


def not_finite(weights: Mapping[str, Tensor]) -> str:
    """Return the name of the first tensor with a number that is not finite; "" when there is none."""
    return next((name for name, value in weights.items() if not torch.isfinite(value).all()), "")


def read_description(model_file: str | Path) -> dict[str, Any]:
    """Return what the JSON file beside `model_file` says; nothing when one of the two is missing.

    Raises:
        ValueError: when it is damaged, belongs to other weights, or would call for more than transforms and networks.
    """
    file = described_in(Path(model_file))
    if not file.is_file() or not Path(model_file).is_file():
        return {}
    advice = f"give the one that was written with {model_file}, or remove it"
    content = read_json(file, advice, SHAPE)
    settings = content.get("settings") or {}
    if "sha256" not in content:
        raise ValueError(f"{file} has no sha256; {advice}")
    if content["sha256"] != file_sha256(model_file):
        raise ValueError(
            f"{file} describes other weights than {model_file}; give the one written with it, or remove it"
        )
    _check_harmless(settings, file)
    if fault := _unusable(settings):
        raise ValueError(f"{file} {fault}; {advice}")
    return content


def load_weights(network: nn.Module, model_file: str | Path) -> None:
    """Load `model_file` into `network`, strictly, and say so when nothing tells what the weights are.

    Raises:
        ValueError: as `read_weights` and `read_description`, or when the weights are another network's or, with nothing
            that describes them, hold another text.
    """
    weights = read_weights(model_file)
    described = read_description(model_file)
    lacking = described_in(Path(model_file)).name
    if reason := _misfit(network, weights):
        told = "" if described else f"; no {lacking} is beside it: copy it too, or give its settings"
        raise ValueError(f"model_file: {model_file} does not fit this network ({reason}){told}")
    if not described:
        _check_text(network, weights, model_file)
        print(f"{model_file} has no {lacking} beside it; taken as trained with these settings")
    network.load_state_dict(weights)


def refuse_misfit(
    network: nn.Module, weights: Mapping[str, Tensor], prefix: str, *_: Any, model_file: str | Path
) -> None:
    """Raise ValueError when weights that are being loaded are another network's, even with `strict=False`.

    For `register_load_state_dict_pre_hook`: MONAI Label loads so, and would show the masks of random weights.

    Args:
        network: what loads.
        weights: a state dict.
        prefix: of the network's names in it.
        model_file: whose description the network was built from, for the error.
    """
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if reason := _misfit(network, own):
        raise ValueError(
            f"the weights do not fit the network that was built for {model_file} ({reason}); start anew after a change "
            "of that file"
        )


def halve_weights(model_file: str | Path, output: str | Path) -> None:
    """Write the weights of `model_file` in half precision; loading brings them back to the network's own.

    A tensor with a number that half precision does not hold, as a large variance of batch norm, stays as it is.

    Raises:
        ValueError: when `model_file` is missing or holds no weights, or `output` is a file that is read.
    """
    source, target = Path(model_file), Path(output)
    for written in (target, described_in(target)):
        refuse_input(written, [source, described_in(source)])
    if target.suffix == ".json":
        raise ValueError(f"{output} is the name of what describes weights; give one that ends with .pt")
    weights, described = read_weights(model_file), read_description(model_file)
    for name in ("sha256", "run_id"):  # these are others, and no run goes on from them
        described.pop(name, None)
    halves = {name: _half(value) for name, value in weights.items()}
    write_weights(halves, output, described)


def _half(value: Tensor) -> Tensor:
    half = value.half() if value.is_floating_point() else value
    return half if torch.isfinite(half).all() else value


def described_in(model_file: Path) -> Path:
    """Return the JSON file beside weights that says what they are."""
    return model_file.with_suffix(".json")


def _misfit(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    own = network.state_dict()
    for name, value in own.items():
        if name not in weights:
            return f"{name} is missing"
        if weights[name].shape != value.shape:
            return f"{name} is {list(weights[name].shape)}, here {list(value.shape)}"
    if name := not_finite(weights):
        return f"{name} is not finite"
    return next((f"{name} has no place" for name in weights if name not in own), "")


def _check_text(network: nn.Module, weights: Mapping[str, Tensor], model_file: str | Path) -> None:
    for name, own in network.state_dict().items():
        # halves, as shared weights may be
        if name.endswith(TEXT) and not torch.allclose(own.cpu().half().float(), weights[name].half().float()):
            raise ValueError(
                f"text_embedding: {model_file} was trained with another text than this config has; give the "
                "text_embedding that goes with it"
            )


def _unusable(settings: Mapping[str, Any]) -> str:
    text, networks = settings.get("text_embedding"), settings.get("networks")
    sides = text.get("shape") if isinstance(text, Mapping) else [1]
    if not isinstance(sides, list) or not sides or not all(type(side) is int and side > 0 for side in sides):
        return f"has a text_embedding of shape {sides!r}"
    return "" if networks in (None, 1, 2) else f"tells of {networks} networks, must be 1 or 2"


def _check_harmless(value: Any, file: Path) -> None:
    """Raise ValueError for what a config would run: an expression, or a call of what is no transform or network."""
    if isinstance(value, str) and value[:1] in ("$", "@", "%"):
        raise ValueError(f"{file} must hold plain values, got the expression {value!r}")
    if isinstance(value, Mapping) and "_target_" in value:
        target = str(value["_target_"])
        ours = getattr(llmsegnet_bundle.transforms, target.removeprefix("llmsegnet_bundle.transforms."), None)
        found = getattr(monai.transforms, target, ours)
        if not (isinstance(found, type) and issubclass(found, monai.transforms.Transform)):
            raise ValueError(f"{file} must name transforms of MONAI or llmsegnet_bundle, got {target!r}")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_harmless(item, file)
