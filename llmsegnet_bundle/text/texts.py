"""The texts file: YAML that `describe` or a person writes, of one organ or of each class."""

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmsegnet_bundle.documents import read_mapping

Texts = list[str] | dict[str, list[str]]  # P texts of one organ, or P of each class but the background
KEYS = {"organ", "written_by", "date", "texts"}


def read_texts(file: str | Path) -> dict[str, Any]:
    """Return the content of a texts file: organ, written_by, date, texts, and what else it says of their origin.

    A file of `describe` gets `edited`: whether its texts are other than the model's.

    Raises:
        ValueError: when the file is missing, is no YAML, lacks a key, or its texts are neither a list of texts nor a
            list of as many texts for each class.
    """
    if not Path(file).is_file():
        raise ValueError(f"{file} does not exist; give a YAML file with organ, written_by, date and texts")
    content = read_mapping(file)
    if missing := KEYS - set(content):
        raise ValueError(f"{file} lacks {', '.join(sorted(missing))}")
    for key in ("organ", "written_by"):
        if not isinstance(content[key], str) or not content[key].strip():
            raise ValueError(f"{file}: {key} must be a text, got {content[key]!r}; put quotes around it")
    if not isinstance(content["date"], str | datetime.date):
        raise ValueError(f"{file}: date must be a date, got {content['date']!r}")
    texts = content["texts"]
    groups = texts if isinstance(texts, dict) else {str(content["organ"]): texts}
    for name, group in groups.items():
        if not isinstance(group, list) or not group or not all(map(_is_text, group)):
            where = f"the texts of {name}" if isinstance(texts, dict) else "texts"
            raise ValueError(f"{file}: {where} must be a list of texts; put quotes around one with a colon")
    if not groups or not all(map(_is_text, groups)):
        raise ValueError(f"{file}: texts must be a list of texts, or a list under the name of each class")
    if len({len(group) for group in groups.values()}) > 1:
        counts = ", ".join(f"{name} {len(group)}" for name, group in groups.items())
        raise ValueError(f"{file}: each class must have as many texts as the others, got {counts}")
    content["date"] = str(content["date"])
    written = content.pop("texts_sha256", None)
    return content if written is None else content | {"edited": written != texts_sha256(texts)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def group_texts(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the texts of a file by class name; those of one organ under the organ's."""
    texts = content["texts"]
    return dict(texts) if isinstance(texts, dict) else {str(content["organ"]): list(texts)}


def texts_sha256(texts: Texts) -> str:
    """Return the hash that tells whether somebody edited the texts; spaces and line breaks do not count."""
    groups = texts if isinstance(texts, dict) else {"": texts}
    plain = {name: [" ".join(text.split()) for text in group] for name, group in groups.items()}
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
