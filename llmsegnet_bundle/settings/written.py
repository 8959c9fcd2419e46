"""A config as it is written: what decides on a training, and the plain values of its settings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from monai.bundle import ConfigParser

from llmsegnet_bundle.settings.config import has_id, references
from llmsegnet_bundle.settings.table import read_table

ROOTS = ("train::trainer", "validate::evaluator")
# cases are told apart by their content, and handlers change no weight
LEFT_OUT = ("train::dataset::data", "validate::dataset::data", "train::handlers", "validate::handlers")


def plain_values(config: ConfigParser) -> dict[str, Any]:
    """Return the value of each setting of a config that is no structure, as JSON has it."""
    table = read_table().values()
    names = [one.name for one in table if has_id(config, one.name) and not one.has_parts]
    return {name: as_json(config.get_parsed_content(name)) for name in names}


def written(config: ConfigParser) -> dict[str, Any]:
    """Return id -> what is written there, for all that a training follows from; each part of a structure has an id.

    A setting of a plain value is one part, also where a block gives that value.

    Left out are the settings that may change in a run that continues, the lists of cases, and handlers.
    """
    table = list(read_table().values())
    plain = {_id(one.name) for one in table if not one.has_parts}
    seen = {*LEFT_OUT, *(_id(one.name) for one in table if one.resumed)}
    waiting = [*ROOTS, *(_id(one.name) for one in table if has_id(config, one.name) and not one.resumed)]
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in seen or name not in config:
            continue
        seen.add(name)
        for part, value in [(name, config[name])] if name in plain else _parts(name, config[name], seen):
            found[part.replace("::", "#")] = as_json(value)
            waiting += references(value)
    return dict(sorted(found.items()))


def as_json(value: Any) -> Any:
    """Return a value as it comes back from a JSON file; what JSON cannot hold becomes a text."""
    return json.loads(json.dumps(value, default=str))


def _id(name: str) -> str:
    return name.replace("#", "::")


def _parts(name: str, value: Any, left_out: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a structure is made of; a list of plain values is one part."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        items = enumerate(value)
    if not items:
        yield name, value
    for key, item in items:
        if (part := f"{name}::{key}") not in left_out:
            yield from _parts(part, item, left_out)
