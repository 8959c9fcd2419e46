"""What was prepared from what, kept beside it, so that it is not done again."""

import json
import os
from pathlib import Path
from typing import Any

from llmsegnet_bundle.cases import fingerprint
from llmsegnet_bundle.documents import read_json
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.prepare.layouts import Source

FILE = "prepared.json"
ADVICE = "remove it, and all scans are prepared again"
TYPES = {"source": str, "content": str, "orientation": str, "files": dict, "odd": list}


class Record:
    """The scans of an output folder: name -> source and options, files with their sizes, and what was found.

    Args:
        output: the folder, whose `prepared.json` is read if it is there.
        options: what else the output depends on.

    Raises:
        ValueError: when the file is damaged.
    """

    def __init__(self, output: Path, options: dict[str, Any]) -> None:
        self.output = output
        self.options = json.dumps(options, sort_keys=True)
        self.scans: dict[str, dict[str, Any]] = {}
        if os.path.lexists(file := output / FILE):
            self.scans = read_json(file, ADVICE)
            for name, scan in self.scans.items():
                if not _is_whole(scan):
                    raise ValueError(f"{file} is damaged at {name!r}; {ADVICE}")

    def is_done(self, source: Source) -> bool:
        """Return whether this very source was prepared with these options, and its files are still there."""
        known = self.scans.get(source.name, {})
        sizes = known.get("files", {})
        there = all((path := self.output / file).is_file() and path.stat().st_size == sizes[file] for file in sizes)
        return known.get("source") == self._mark(source) and there

    def add(self, source: Source, found: dict[str, Any]) -> None:
        """Take in a prepared scan, and write the record."""
        self.scans[source.name] = {"source": self._mark(source), **found}
        write_texts(self.output, {FILE: json.dumps(self.scans, indent=1, sort_keys=True) + "\n"})

    def _mark(self, source: Source) -> str:
        return f"{fingerprint(source.files()).decode()} {self.options}"


def _is_whole(scan: Any) -> bool:
    if not isinstance(scan, dict) or not all(isinstance(scan.get(key), kind) for key, kind in TYPES.items()):
        return False
    sizes, odd, held = scan["files"].values(), scan["odd"], scan.get("held", [])
    whole = isinstance(held, list) and all(isinstance(one, int) for one in (*sizes, *held))
    return whole and all(isinstance(line, str) for line in odd)
