"""The config that is being evaluated, and what it is made of."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser, ConfigWorkflow, ReferenceResolver

# a bundle's configs; paper, evaluate and multi_gpu_train lie over one of the others
WHOLE, OVERLAYS = ("train", "train_supervised", "inference"), ("paper", "evaluate", "multi_gpu_train")


def evaluated_config() -> ConfigParser:
    """Return the config whose expression calls this, with what the command line put over it.

    MONAI hands it to no one, so it is looked for among the callers.

    Raises:
        ValueError: when no config is being evaluated.
    """
    config = next((caller for caller in _callers() if isinstance(caller, ConfigParser)), None)
    if config is None:
        raise ValueError("settings.evaluated_config: must be called by an expression of a config")
    return config


def has_id(config: ConfigParser, name: str) -> bool:
    """Say whether a config has an id; MONAI's own `in` searches for the nearest name of each that is absent: 6 ms."""
    part: Any = config.get()
    for key in ReferenceResolver.split_id(name):
        if not isinstance(part, Mapping) or key not in part:
            return False
        part = part[key]
    return True


def started_ids() -> set[str]:
    """Return the ids that MONAI itself evaluates in the run that calls this."""
    workflow = next((caller for caller in _callers() if isinstance(caller, ConfigWorkflow)), None)
    return {"initialize", "run", "finalize"} | (
        {workflow.init_id, workflow.run_id, workflow.final_id} if workflow else set()
    )


def _callers() -> Iterator[Any]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame.f_locals.get("self")
        frame = frame.f_back  # type: ignore[assignment]


def committed(bundle_root: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the bundle's own configs say, of those that `config` is made of; empty when it is of none."""
    found = []
    for name in (*WHOLE, *OVERLAYS):
        file = bundle_root / "configs" / f"{name}.json"
        ids = list(ConfigParser.load_config_file(file)) if file.is_file() else []
        if ids and {ReferenceResolver.split_id(key)[0] for key in ids} <= set(config):
            found.append(name)
    if not set(found) & set(WHOLE):
        return {}
    return ConfigParser.load_config_files([bundle_root / "configs" / f"{name}.json" for name in found])


def references(item: Any) -> set[str]:
    """Return the ids that the texts within a config refer to, with `::` between their parts."""
    if isinstance(item, str):
        return set(ReferenceResolver.match_refs_pattern(item))
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else ()
    return {name for part in parts for name in references(part)}


def is_code(item: Any) -> bool:
    """Whether a part of a config is more than plain values."""
    if ConfigComponent.is_instantiable(item):
        return True
    if isinstance(item, str):
        return item.startswith("$") or bool(references(item))
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else ()
    return any(map(is_code, parts))
