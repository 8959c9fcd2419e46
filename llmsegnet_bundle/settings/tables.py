"""The table of settings as a person reads it: in the terminal, and in the pages of `docs`."""

import json
import re
from pathlib import Path

from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.settings.table import Setting, nearest, read_table

PAGES = ("training.md", "inference.md")
MARKED = re.compile(r"(<!-- settings of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def describe_setting(name: str) -> str:
    """Return all that is known of a setting, a fact a line.

    Raises:
        ValueError: when there is none of that name.
    """
    setting = read_table().get(name)
    if setting is None:
        near = nearest(name, read_table()) or "; without a name the command lists all"
        raise ValueError(f"{name}: is no setting{near}")
    facts = {
        "may be": setting.told + f" ({setting.unit})" * bool(setting.unit),
        "default": _plain(setting.default),
        "config": ", ".join(setting.configs),
        "in a run that continues": "may change" if setting.resumed else "stays",
    }
    return "\n".join([name, f"  {setting.help}", *(f"  {key}: {value}" for key, value in facts.items())])


def list_settings() -> str:
    """Return a line for each setting: its name, default and meaning."""
    table = read_table().values()
    wide = max(len(setting.name) for setting in table)
    return "\n".join(f"{one.name:<{wide}}  {one.help} [{_plain(one.default)}]" for one in table)


def write_pages(docs: str | Path, check: bool = False) -> None:
    """Write the tables between the marks in the pages of `docs`.

    Args:
        docs: folder of the pages.
        check: write nothing, and raise when a page is not what would be written.

    Raises:
        ValueError: when a page is missing, or a check fails.
    """
    texts = {}
    for name in PAGES:
        file = Path(docs) / name
        if not file.is_file():
            raise ValueError(f"{file} does not exist; give the folder of the pages")
        text = file.read_text(encoding="utf-8")
        texts[name] = MARKED.sub(lambda found: found[1] + _page_table(found[2]) + found[3], text)
        if check and texts[name] != text:
            command = f"python -m llmsegnet_bundle settings --docs {docs}"
            raise ValueError(f"{file} is not what the table gives; run `{command}`")
    if not check:
        write_texts(Path(docs), texts)


def _page_table(kind: str) -> str:
    told = [one for one in read_table().values() if _is_of(one, kind)]
    rows = [f"| `{one.name}` | {_plain(one.default)} | {one.help} |" for one in told]
    return "\n".join(["| id | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _is_of(setting: Setting, kind: str) -> bool:
    if kind == "training":
        return bool({"train", "train_supervised", "paper"} & set(setting.configs))
    if kind == "evaluation":
        return "evaluate" in setting.configs and not _is_of(setting, "training")
    return "inference" in setting.configs and not setting.weights


def _plain(default: object) -> str:
    return default if isinstance(default, str) else json.dumps(default)
