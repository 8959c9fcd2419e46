"""The settings of a bundle for its reader: ids, defaults, and what the recipe and `dataset.yaml` say of them."""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import dropwhile, islice, takewhile
from typing import Any

MOST = 60  # characters of a default; longer ones stand in the JSON
BY_DEVICE = "llmsegnet_bundle.choices.by_device"
ID = re.compile(r"\+?(?P<name>\w+):(?:.*\s|)#\s(?P<comment>.*)")
HEAD = """# Settings

What this bundle's configs say of their ids; each can be given on the command line, as `--id value`. Written by
`python -m llmsegnet_bundle assemble` from the comments of the recipe and of `dataset.yaml`. A default that is not here
stands in the config.
"""


def settings_page(configs: Mapping[str, Mapping[str, Any]], comments: Mapping[str, Mapping[str, str]]) -> str:
    """Return a page with a table a config, of the ids that have a comment.

    Args:
        configs: name -> ids with their values.
        comments: name of a config -> id -> what it is; what an earlier config tells alike is not repeated.
    """
    told: dict[str, tuple[str, str]] = {}
    parts = [HEAD]
    for config, ids in configs.items():
        rows = {name: (_default(ids[name]), comment) for name, comment in comments[config].items() if name in ids}
        new = {name: row for name, row in rows.items() if told.get(name) != row}
        told |= new
        lines = [f"| `{name}` | {default} | {_cell(comment)} |" for name, (default, comment) in new.items()]
        if lines:
            parts.append("\n".join([f"## {config}.json\n", "| id | default | |", "|---|---|---|", *lines]) + "\n")
    return "\n".join(parts)


def read_comments(lines: Iterable[str], under: str = "") -> dict[str, str]:
    """Return the comment of each id that has one: at the end of its line, or in full lines above it.

    Lines at the top of a file are its own.

    Args:
        lines: of a YAML file.
        under: an id, for the ids below it; by default those of the file.
    """
    if under:
        below = dropwhile(lambda line: not line.startswith(f"{under}:"), lines)
        lines = [line[2:] for line in takewhile(lambda line: line.startswith("  "), islice(below, 1, None))]
    comments: dict[str, str] = {}
    above: list[str] | None = None  # None at the top
    for line in lines:
        if line.startswith("#"):
            above = None if above is None else [*above, line.lstrip("# ").strip()]
            continue
        if match := ID.match(line):
            comments[match["name"]] = match["comment"].strip()
        elif above and (name := re.match(r"\w+(?=:)", line)):
            comments[name[0]] = " ".join(above)
        above = []
    return comments


def _default(value: Any) -> str:
    if isinstance(value, Mapping) and value.get("_target_") == BY_DEVICE:
        return f"{_default(value['gpu'])} on a GPU, else {_default(value['cpu'])}"
    text = value if isinstance(value, str) else json.dumps(value)
    if text.startswith("$@followed["):
        return "that of the weights"
    return f"`{_cell(text)}`" if text and len(text) <= MOST else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
