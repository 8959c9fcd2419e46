"""What a training or an evaluation is, and whether another is the same one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from monai.bundle import ConfigParser
from torch import nn

from llmsegnet_bundle.cases import Datalist
from llmsegnet_bundle.cases.contents import change, contents
from llmsegnet_bundle.networks.description import text_identity
from llmsegnet_bundle.networks.start import fingerprint
from llmsegnet_bundle.scans import PathLike
from llmsegnet_bundle.settings import read_table
from llmsegnet_bundle.settings.written import plain_values, written


class Run:
    """The identity of a training: its config as written, its text, and the content of its scans and labels.

    Two values of a setting are the same when they are written alike, as an expression that follows the scans is, or
    when they come to the same.

    Args:
        config: that is being evaluated.
        cases: the lists of the run, of `cases.load`.
        method: what kind of training it is, for the record.
        cache_dir: where hashes of scans are remembered; None for nowhere.
    """

    def __init__(self, config: ConfigParser, cases: Datalist, method: str, cache_dir: PathLike | None = None) -> None:
        values = plain_values(config)
        self.cases = cases
        self.settings = {name: [text, values.get(name, text)] for name, text in written(config).items()}
        measured = {
            "text_embedding": text_identity(config),
            "device": torch.device(values["device"]).type,
            "processes": idist.get_world_size(),
        }
        self.settings |= {name: [value, value] for name, value in measured.items()}
        self.contents = contents(cases, cache_dir)
        self.recorded = {"method": method} | values | {"processes": measured["processes"]}
        for name in ("init_from", "teacher"):
            if name in values:
                self.recorded[name] = fingerprint(values[name], name)

    def state(self) -> dict[str, Any]:
        """Return what is kept of it to compare with, as JSON has it."""
        return {"settings": self.settings, "contents": self.contents}

    def other_settings(self, earlier: Mapping[str, Any]) -> list[str]:
        """Return in words each setting in which an earlier run differs.

        Args:
            earlier: of `state`.
        """
        return changed(earlier["settings"], self.settings)

    def other_cases(self, earlier: Mapping[str, Any]) -> str:
        """Return in words how the scans and labels of an earlier run differ, empty when they do not.

        Args:
            earlier: of `state`.
        """
        return change(earlier["contents"], self.contents)


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words each setting in which two runs differ.

    Args:
        before, now: name -> (as written, its value), as of `Run.settings`.
    """
    lines = []
    for name in dict.fromkeys([*now, *before]):
        was, is_now = (of.get(name) or ["not set"] for of in (before, now))
        if all(one != other for one, other in zip(was, is_now, strict=False)):
            lines.append(f"{name} was {was[-1]}, now {is_now[-1]}")
    return lines


def answering(config: ConfigParser, network: nn.Module) -> dict[str, Any]:
    """Return what masks of an evaluation are made with: all settings that decide on them, and the weights' sha256.

    Args:
        config: of the evaluation.
        network: that answers.
    """
    table = read_table().values()
    kept = [one.name for one in table if "evaluate" in one.configs or not (one.weights or one.resumed)]
    asked = {one.name for one in table if {"evaluate", "inference"} & {*one.configs}}
    values = {name: value for name, value in plain_values(config).items() if name in kept and name in asked}
    file = str(config.get_parsed_content("model_file"))
    weights = fingerprint(file, "model_file") if Path(file).is_file() else None  # that there are none, loading tells
    return values | {"deploy": getattr(network, "deploy", None), "weights": weights}
