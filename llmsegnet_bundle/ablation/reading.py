"""The plan's file: read, and every fault of it told at once."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from llmsegnet_bundle.ablation.ids import config_file, faults, read_config
from llmsegnet_bundle.ablation.plan import RUN, Plan, Variant, slug, texts
from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.metrics import MEASURES
from llmsegnet_bundle.settings import nearest
from llmsegnet_bundle.settings.written import written

KEYS = ("bundle", "output_dir", "seeds", "common", "evaluation", "metric", "variants")
NEEDED = ("bundle", "output_dir", "seeds", "variants")
SEEDS = 2**32  # NumPy takes lower ones


def read_plan(file: str | Path) -> Plan:
    """Read and check a plan; docs/ablation.md has its keys.

    Raises:
        ValueError: when the file is missing or no YAML, or with a line for each thing in it that is wrong.
    """
    if not Path(file).is_file():
        raise ValueError(f"{file} does not exist; docs/ablation.md shows a plan")
    content = read_mapping(file)
    found: list[str] = [f"unknown key {key}{nearest(str(key), KEYS)}" for key in content if key not in KEYS]
    found += [f"{key} is missing" for key in NEEDED if content.get(key) is None]
    common, evaluation, given = (_mapping(content, key, found) for key in ("common", "evaluation", "variants"))
    if not given and content.get("variants") is not None:
        found.append("variants is empty; give two or more")
    seeds = _seeds(content.get("seeds"), found)
    bundle, output_dir = (Path(str(content.get(key))).expanduser() for key in ("bundle", "output_dir"))
    has_bundle = (bundle / "configs/metadata.json").is_file()
    if content.get("bundle") is not None and not has_bundle:
        found.append(f"bundle: {bundle.resolve()} is no bundle; give a folder such as bundles/left_atrium")
    if place := next((path for path in (output_dir, *output_dir.parents) if path.exists() and not path.is_dir()), None):
        found.append(f"output_dir: {place} is a file; give a folder")
    metric = content.get("metric", "dice")
    if metric not in MEASURES:
        found.append(f"metric: must be one of {', '.join(MEASURES)}, got {metric!r}")
    variants = _variants(given, common, bundle if has_bundle else None, evaluation, found)
    if found:
        raise ValueError("\n".join(f"{file}: {line}" for line in dict.fromkeys(found)))
    return Plan(bundle, output_dir.absolute(), seeds, common, evaluation, metric, variants)


def _mapping(content: Mapping[str, Any], key: str, found: list[str]) -> dict[str, Any]:
    value = content.get(key) or {}
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    found.append(f"{key} must hold keys and values, got {value!r}")
    return {}


def _seeds(value: Any, found: list[str]) -> tuple[int, ...]:
    if value is None:
        return ()
    good = isinstance(value, list) and value and all(type(seed) is int and 0 <= seed < SEEDS for seed in value)
    if not good or len(set(value)) < len(value):
        found.append(f"seeds must be a list of different whole numbers, such as [1337, 1], got {value!r}")
        return ()
    return tuple(value)


def _variants(
    given: dict[str, Any], common: dict[str, Any], bundle: Path | None, evaluation: dict[str, Any], found: list[str]
) -> tuple[Variant, ...]:
    """Return the variants, and add what is wrong with them; with None for the bundle, configs are not looked at."""
    variants: dict[str, Variant] = {}
    folders: dict[str, str] = {}
    for name, settings in given.items():
        where = f"variants: {name}"
        if not slug(name):
            found.append(f"{where}: no folder can have that name; use letters or digits")
        elif (other := folders.setdefault(slug(name), name)) != name:
            found.append(f"{where}: its folder {slug(name)} is that of {other} too; give another name")
        own = _mapping({where: settings}, where, found)
        configs = own.pop("config", "train")
        configs = configs if isinstance(configs, list) else [configs]
        variant = Variant(name, tuple(map(str, configs)), own, common | own)
        found += [f"{where}: {line}" for line in _reference_faults(variant, variants, given)]
        variants[name] = variant if bundle is None else _in_bundle(variant, common, bundle, evaluation, found)
    for key, overrides in (("common", common), ("evaluation", evaluation)):
        if any(RUN.search(text) for text in texts(overrides)):
            found.append(f"{key}: {{run:...}} names the run of an earlier variant; give it to a variant")
    return tuple(variants.values())


def _reference_faults(variant: Variant, earlier: Mapping[str, Variant], given: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in dict.fromkeys(name for text in texts(variant.own) for name in RUN.findall(text)):
        if name in given and name not in earlier:
            lines.append(f"{{run:{name}}} must be an earlier variant; move {name} before {variant.name}")
        elif name not in earlier:
            lines.append(f"{{run:{name}}} is no variant{nearest(name, earlier)}")
    return lines


def _in_bundle(
    variant: Variant, common: dict[str, Any], bundle: Path, evaluation: dict[str, Any], found: list[str]
) -> Variant:
    """Return the variant with its files and classes, and add what the bundle does not know."""
    where = f"variants: {variant.name}"
    try:
        files = [config_file(bundle, name) for name in variant.configs]
        parser, scoring = read_config(files), read_config([*files, config_file(bundle, "evaluate")])
    except ValueError as error:
        found.append(f"{where}: {error}")
        return variant
    config = " + ".join(file.name for file in files)
    shared = faults(common, parser, config)
    found += [f"common: {line}" for line in shared]
    wrong = faults(variant.own, parser, config)
    found += [f"{where}: {line}" for line in wrong]
    scoring.update({key: value for key, value in variant.overrides.items() if key in scoring})
    unknown = faults(evaluation, scoring, f"{config} + evaluate.json")
    found += [f"evaluation: {line}" for line in unknown]
    if shared or wrong or unknown:
        return variant
    classes = _classes(scoring, found, where)
    return replace(variant, configs=tuple(map(str, files)), classes=classes, written=written(parser))


def _classes(scoring: ConfigParser, found: list[str], where: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, scoring.get_parsed_content("class_names")[1:]))
    except Exception as error:  # an expression may raise anything
        found.append(f"{where}: class_names of its evaluation cannot be read ({' '.join(str(error).split())[:200]})")
        return ()
