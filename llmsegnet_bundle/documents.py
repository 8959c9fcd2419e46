"""JSON and YAML that people, programs and downloads write, read without trust: what is wrong is one line, at once."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

DEEPEST = 64  # lists and dictionaries within each other
MOST_CHARACTERS = 200_000  # of YAML, which takes seconds to read beyond; ours have a twentieth
MOST_NODES = 50_000  # of YAML with each alias written out
ASSEMBLE = "get the bundle again, or run `python -m llmsegnet_bundle assemble {}`"  # where a config is damaged
NUMBER = (int, float)
CASES = [{"image": str, "label": str, "organ": str}]
Shape = dict[Any, Any]
# shapes of files that several rooms read
METADATA: Shape = {"version": str, "required_packages_version": {...: str}, "network_data_format": {...: {}}}
RUN_JSON: Shape = {
    "settings": {"classes": int, "method": str},
    "identity": {"settings": {...: list}},
    "split": {"digest": str, "labeled": CASES, "unlabeled": CASES, "validation": CASES, "test": CASES},
    "text": {"texts": (list, dict)},
    "versions": {},
    "total_steps": int,
    "steps_per_epoch": int,
    "sessions": [
        {"started": str, "ended": str, "device": str, "first_step": int, "last_step": int, "duration_s": NUMBER}
    ],
    "selection": {"rule": str, "metric": str, "value": NUMBER, "step": int},
    "validation": {"last": {"value": NUMBER, "step": int}, "best": {"value": NUMBER, "step": int}},
}
EVALUATION_JSON: Shape = {"swap_text": {...: NUMBER}, "dice_by_text": {...: {...: NUMBER}}}
SUMMARY_JSON: Shape = {...: {}}


def read_json(file: str | Path, advice: str, shape: Any = None) -> dict[str, Any]:
    """Return the content of a JSON file of keys and values.

    Args:
        file: the file.
        advice: what to do where it is damaged, the end of the message.
        shape: the types of what it holds, as far as they matter: a dictionary of shapes by key, or for all keys under
            `...`; a list of one shape; or types. What is absent or null fits.

    Raises:
        ValueError: when it is no such file, has a key twice, is nested too deep, or has another shape.
    """
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"), object_pairs_hook=_no_key_twice)
        _check_depth(content)
        if not isinstance(content, dict):
            raise ValueError(f"it holds {_kind(content)}, must hold keys and values")
        if wrong := _misfit(content, shape, ""):
            raise ValueError(f"{wrong} there")
    except OSError as error:
        raise ValueError(f"{file} is no readable JSON ({error.strerror}); {advice}") from None
    except RecursionError:
        raise ValueError(f"{file} is no readable JSON (it is nested too deep); {advice}") from None
    except ValueError as error:
        raise ValueError(f"{file} is no readable JSON ({error}); {advice}") from None
    return content


def read_metadata(bundle: str | Path) -> dict[str, Any]:
    """Return the metadata of a bundle.

    Args:
        bundle: folder.

    Raises:
        ValueError: as `read_json`.
    """
    return read_json(Path(bundle) / "configs" / "metadata.json", ASSEMBLE.format(bundle), METADATA)


def read_mapping(file: str | Path) -> dict[str, Any]:
    """Return the content of a YAML file of keys and values.

    Raises:
        ValueError: when it is no such file, has a key twice or one that is no text, or is nested too deep or too large,
            as by aliases of aliases.
    """
    try:
        content = _load_yaml(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror})") from None
    except RecursionError:
        raise ValueError(f"{file} is no YAML (it is nested too deep)") from None
    except Exception as error:  # a wrong date, number or tag raises any kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{file} is no YAML ({reason}); put quotes around a text with a colon") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold keys and values, got {type(content).__name__}")
    if wrong := [key for key in content if not isinstance(key, str)]:
        raise ValueError(f"{file}: the key {wrong[0]!r} must be a text; put quotes around it")
    return content


def _load_yaml(text: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"it has {len(text)} characters, more than {MOST_CHARACTERS}")
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):  # the reader takes seconds to find out
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise RecursionError
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count_nodes(node, {}, 0) > MOST_NODES:
            raise yaml.YAMLError("its aliases stand for too much")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count_nodes(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Return how many nodes there are with each alias written out; 0 is known of one that is being counted."""
    if depth > DEEPEST:
        raise RecursionError
    if known.setdefault(id(node), 0):
        return known[id(node)]
    parts = node.value if isinstance(node, yaml.CollectionNode) else ()
    count = 1
    for part in parts:
        for child in part if isinstance(part, tuple) else (part,):
            if known.get(id(child)) == 0:
                raise yaml.YAMLError("an alias stands within what it stands for")
            count += _count_nodes(child, known, depth + 1)
    known[id(node)] = count
    return count


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, where YAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.YAMLError(f"{key.value} is there twice{node.start_mark}")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands there twice")
        content[key] = value
    return content


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(DEEPEST):
        level = [item for value in level for item in _items(value) if isinstance(item, dict | list)]
    if level:
        raise RecursionError


def _misfit(value: Any, shape: Any, where: str) -> str:
    """Return what is of another type than a shape has it, empty when nothing is."""
    if isinstance(shape, dict) and isinstance(value, dict):
        parts = {key: (item, shape.get(key, shape.get(...))) for key, item in value.items() if item is not None}
        told = (_misfit(item, part, f"{where}#{key}" if where else key) for key, (item, part) in parts.items())
        return next(filter(None, told), "")
    if isinstance(shape, list) and isinstance(value, list):
        return next(filter(None, (_misfit(item, shape[0], f"{where}#{i}") for i, item in enumerate(value))), "")
    kind = type(shape) if isinstance(shape, dict | list) else shape
    return "" if kind is None or isinstance(value, kind) else f"{where} is {_kind(value)}, which must not stand"


def _items(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _kind(content: Any) -> str:
    return "nothing" if content is None else f"a {type(content).__name__}"
