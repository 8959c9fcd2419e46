"""Whether the ids that a plan overrides are in the config they go to, and take the values it gives them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from llmsegnet_bundle.documents import read_json, read_mapping
from llmsegnet_bundle.settings import nearest, value_fault
from llmsegnet_bundle.settings.components import arguments

# each run's own, or needed to continue it
SET = ("bundle_root", "output_dir", "ckpt_dir", "model_file", "seed", "resume")


def config_file(bundle: Path, name: str) -> Path:
    """Return the file of a config: a path to YAML or JSON as it is, else a name within the bundle.

    Raises:
        ValueError: when there is no such file.
    """
    own = name.endswith((".yaml", ".yml", ".json"))
    file = Path(name).expanduser() if own else bundle / "configs" / f"{name}.json"
    if not file.is_file():
        hint = "" if own else nearest(name, (path.stem for path in file.parent.glob("*.json")))
        raise ValueError(f"config {file} does not exist{hint}")
    return file


def read_config(files: Sequence[Path]) -> ConfigParser:
    """Return the config that MONAI merges from files.

    Raises:
        ValueError: when a file is no config.
    """
    for file in files:  # MONAI reads them without a bound
        if file.suffix == ".json":
            read_json(file, "correct it")
        else:
            read_mapping(file)
    parser = ConfigParser()
    try:
        parser.read_config([str(file) for file in files])
    except Exception as error:  # json, yaml and MONAI raise a handful of kinds
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"config {', '.join(map(str, files))} cannot be read ({reason})") from None
    return parser


def faults(overrides: Mapping[str, Any], parser: ConfigParser, where: str) -> list[str]:
    """Return a line for each override that the config does not take.

    Args:
        overrides: id -> value.
        parser: of the config; a nested id needs its parent in it.
        where: name of the config, for the lines.
    """
    lines, config = [], parser.get()
    for key, value in overrides.items():
        first, *rest = [str(part) for part in re.split("#|::", str(key))]
        if key in SET:
            lines.append(f"{key} is set by the ablation itself; leave it out")
        elif first not in config or first == parser.meta_key:
            lines.append(f"{first} is no id of {where}{nearest(first, config)}")
        elif rest and (fault := _nested_fault(config[first], first, rest)):
            lines.append(f"{key} is no id of {where}: {fault}")
        elif isinstance(value, str) and _reads_as_number(value):
            lines.append(f"{key}: {value!r} is a text to YAML; write {float(value)!r}")
        else:
            # what this override brings is there for the nested ids after it
            parser[str(key)] = value
            if fault := value_fault(str(key), value):
                lines.append(fault)
    return lines


def _nested_fault(item: Any, path: str, rest: Sequence[str]) -> str:
    """Return why an id has no place, empty when it has one; its last part may be new, as an argument of a component."""
    for i, part in enumerate(rest):
        if isinstance(item, list):
            if not part.isdecimal() or int(part) >= len(item):
                return f"{path} has the items 0 to {len(item) - 1}"
            item = item[int(part)]
        elif isinstance(item, dict):
            if part not in item:
                taken = arguments(item)
                if i < len(rest) - 1 or (taken and part not in taken):
                    return f"{path} has no {part}{nearest(part, [*item, *taken])}"
            item = item.get(part)
        else:
            return f"{path} has no parts"
        path += f"#{part}"
    return ""


def _reads_as_number(text: str) -> bool:
    """Say whether a text is a number to people: YAML takes 1e-3, without a dot, as a text."""
    try:
        float(text)
    except ValueError:
        return False
    return any(char.isdigit() for char in text)
