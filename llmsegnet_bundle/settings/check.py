"""The settings of a run, checked before anything is built of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

import llmsegnet_bundle
from llmsegnet_bundle.documents import read_metadata
from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.settings.components import arguments
from llmsegnet_bundle.settings.config import committed, evaluated_config, has_id, is_code, references, started_ids
from llmsegnet_bundle.settings.table import nearest, read_table

# what MONAI reads itself, and what --tracking brings
OF_MONAI = (ConfigParser.meta_key, *dict(DEFAULT_MLFLOW_SETTINGS["configs"]))  # type: ignore[call-overload]


def check() -> None:
    """Raise ValueError, with a line for each setting that is wrong, for the config whose expression calls this.

    Wrong are ids that nothing knows, and values that the table does not allow. What lies in an expression is looked at
    when all plain values are right, as it may depend on them.

    Raises:
        ValueError: also when `bundle_root` is no bundle, or one of another version of this package.
    """
    config = evaluated_config()
    root = Path(str(config.get_parsed_content("bundle_root")))
    if not (root / "configs" / "metadata.json").is_file():
        raise ValueError(f"bundle_root: {root.resolve()} is no bundle; give --bundle_root bundles/NAME")
    _check_version(root)
    known = committed(root, config.get())
    unknown = _unknown(config.get(), known, started_ids())
    if faults := [*unknown, *_faults(config, code=False)] or _faults(config, code=True) or _name_faults(config, known):
        raise ValueError("\n".join(dict.fromkeys(faults)))


def _check_version(root: Path) -> None:
    """Raise ValueError when a version of this package that differs in more than its last number wrote the configs."""
    metadata = read_metadata(root)
    made = (metadata.get("required_packages_version") or {}).get("llmsegnet-bundle")
    here = llmsegnet_bundle.__version__
    if made is not None and made.split(".")[:2] != here.split(".")[:2]:
        raise ValueError(
            f"bundle_root: the configs of {root} are of version {made} of llmsegnet-bundle, this is {here}; run "
            f"`python -m llmsegnet_bundle assemble {root}`, or install llmsegnet-bundle=={made}"
        )


def _faults(config: ConfigParser, code: bool) -> list[str]:
    """Return what is wrong with values; of those that are code, or of the others."""
    lines = []
    for name in read_table():
        if has_id(config, name) and is_code(config[name]) == code:
            lines.append(_evaluated_fault(config, name) if code else value_fault(name, config[name]))
    return [line for line in lines if line]


def value_fault(name: str, value: Any) -> str:
    """Return a line about a value that the table does not allow; empty for what is right, is code, or no setting."""
    setting = read_table().get(name)
    return "" if setting is None or is_code(value) else setting.fault(value)


def _name_faults(config: ConfigParser, known: Mapping[str, Any]) -> list[str]:
    """Return a line when class names were given that are not as many as the classes."""
    if not has_id(config, "class_names") or config["class_names"] == known.get("class_names"):
        return []
    names, classes = (config.get_parsed_content(name) for name in ("class_names", "classes"))
    told = f"class_names: must be {classes} names, as classes is {classes}, got {names!r}"
    return [] if len(names) == classes else [told]


def _evaluated_fault(config: ConfigParser, name: str) -> str:
    try:
        return read_table()[name].fault(config.get_parsed_content(name))
    except Exception as error:  # an expression may raise anything
        if told := told_in_one_line(error):
            return told
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return f"{name}: {config[name]!r} fails ({type(cause).__name__}: {' '.join(str(cause).split())})"


def _unknown(config: dict[str, Any], known: dict[str, Any], started: set[str]) -> list[str]:
    """Return a line for each id that is in no committed config, and that nothing refers to."""
    if not known:
        return []
    lines, used = [], references(config)
    for path, parent in _new_ids(config, known):
        name, last, taken = "#".join(path), path[-1], arguments(parent)
        if name in (*started, *OF_MONAI) or last in taken or _is_copied(config, parent[last]):
            continue
        if not taken and any(_within(one, "::".join(path)) for one in used):
            continue
        if name in read_table():
            lines.append(f"{name}: is a setting of {', '.join(read_table()[name].configs)}, not of this config")
        else:
            near = [*parent, *taken] if path[1:] else [one for one in read_table() if one in known]
            hint = nearest(last, [one for one in near if one != last])
            lines.append(f"{name}: is no setting{hint or '; `python -m llmsegnet_bundle settings` lists all'}")
    return lines


def _within(one: str, other: str) -> bool:
    return f"{one}::".startswith(f"{other}::") or f"{other}::".startswith(f"{one}::")


def _new_ids(
    config: dict[str, Any], known: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the path of each id that is not in `known`, with what holds it."""
    for key, value in config.items():
        theirs = known.get(key)
        if key not in known:
            yield (*path, key), config
        elif isinstance(value, dict) and isinstance(theirs, dict) and value.get("_target_") == theirs.get("_target_"):
            yield from _new_ids(value, theirs, (*path, key))


def _is_copied(config: Any, item: Any) -> bool:
    """Whether a structure is there twice: MONAI puts a copy in place of each `%` that refers to it."""
    return isinstance(item, dict | list) and _count(config, item) > 1


def _count(config: Any, item: Any) -> int:
    parts = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    return (config == item) + sum(_count(part, item) for part in parts)
