"""The file that holds a network."""

from pathlib import Path
from typing import Any

import torch
from torch import nn


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
