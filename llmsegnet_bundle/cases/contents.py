"""What lies in the files of a split, as hashes that are remembered until a file changes."""

import hashlib
import json
from pathlib import Path

from llmsegnet_bundle.cases.checks import fingerprint
from llmsegnet_bundle.cases.split import Datalist, scan_item
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.files import file_sha256, write_texts
from llmsegnet_bundle.scans import PathLike, case_name, channel_files

MEMORY = "contents.json"
Contents = dict[str, list[list[str]]]  # list of the split -> name, hash of the scan, hash of the label if there is one


def contents(datalist: Datalist, cache_dir: PathLike | None = None) -> Contents:
    """Return the cases that a run learns and selects from, each with the SHA-256 of its scan and label.

    Args:
        datalist: lists of a run; a label of an unlabeled scan and the list `test` are passed over.
        cache_dir: where hashes are remembered, by place, size and time of change; None for nowhere.
    """
    memory = None if cache_dir is None else Path(cache_dir) / MEMORY
    known = _remembered(memory)
    found: dict[str, str] = {}
    told: Contents = {}
    for split, items in datalist.items():
        told[split] = []
        for item in items if split != "test" else ():
            keys = ("image",) if split == "unlabeled" or "label" not in item else ("image", "label")
            case = [case_name(item["image"])]
            for key in keys:
                mark = fingerprint(scan_item(item[key])).decode()
                found[mark] = known.get(mark) or _sha256(item[key])
                case.append(found[mark])
            told[split].append(case)
    told.pop("test", None)
    if memory and not found.keys() <= known.keys():
        write_texts(memory.parent, {MEMORY: json.dumps(known | found)})
    return told


def change(earlier: Contents, now: Contents) -> str:
    """Return in words how the cases of a run changed, empty when they did not."""
    if earlier == now:
        return ""
    before, after = (
        {case[0]: (split, case) for split, cases in one.items() for case in cases} for one in (earlier, now)
    )
    both = [name for name in after if name in before]
    kinds = {
        "new": [name for name in after if name not in before],
        "gone": [name for name in before if name not in after],
        "in another list": [name for name in both if before[name][0] != after[name][0]],
        "with another scan": [name for name in both if before[name][1][1] != after[name][1][1]],
        "with another label": [
            name for name in both if before[name][0] == after[name][0] and before[name][1][2:] != after[name][1][2:]
        ],
    }
    told = [f"{_few(names)} {kind}" for kind, names in kinds.items() if names]
    return "; ".join(told) or "in another order"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _remembered(memory: Path | None) -> dict[str, str]:
    try:
        return read_json(memory, "", {...: str}) if memory else {}
    except ValueError:  # what is missing or damaged is read again
        return {}


def _sha256(path: str) -> str:
    told = hashlib.sha256()
    for place in channel_files(path):
        for file in sorted(filter(Path.is_file, place.iterdir())) if place.is_dir() else [place]:
            told.update(bytes.fromhex(file_sha256(file)))
    return told.hexdigest()
