"""Files that are written whole or not at all, and small ones that people write."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, made when missing; a failure leaves the old files and nothing half-written.

    Args:
        folder: gets the files.
        texts: file name -> content.

    Raises:
        ValueError: when folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for {' and '.join(texts)}")
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: folder / f".{name}.{os.getpid()}.tmp" for name in texts}
    try:
        for name, part in parts.items():
            part.write_text(texts[name], encoding="utf-8", newline="")
        for name, part in parts.items():
            os.replace(part, folder / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, where YAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.YAMLError(f"{twice[0]} is there twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def read_mapping(file: str | Path) -> dict[str, Any]:
    """Return the content of a YAML file of keys and values.

    Raises:
        ValueError: when it is no such file, or has a key twice.
    """
    try:
        content = yaml.load(Path(file).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file} is no YAML ({reason}); put quotes around a text with a colon") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold keys and values, got {type(content).__name__}")
    return content


def as_yaml(content: Mapping[str, Any]) -> str:
    """Return content as YAML, in its order, small lists on one line."""
    return yaml.dump(dict(content), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


class _PlainDumper(yaml.SafeDumper):
    """Writes lists of numbers and words on one line, and a list twice where it is meant twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        short = all(not isinstance(value, list | dict) and len(str(value)) < 40 for value in sequence)
        return super().represent_sequence(tag, sequence, short)
