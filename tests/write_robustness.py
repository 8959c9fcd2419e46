"""Run the tests marked `long` and write what they found, with date and commit, to docs/robustness.md."""

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "robustness.md"
INTRODUCTION = """# What was tried against it

Written by `make long` (`tests/write_robustness.py`), never by hand: {when}, commit {commit}, {where}.
Such tests take longer than CI has: wrong inputs to every command, code changed on purpose to see that a test notices,
trainings that are killed, and thousands of steps while memory is watched. A test hands over the tables below.
"""


def main() -> int:
    tested = commit()  # at the start: files may change until the end
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-m", "long", f"--junitxml={results}", "-o", "junit_family=xunit1"]
        status = subprocess.run([*command, *sys.argv[1:]], cwd=ROOT).returncode
        if status > 1:  # stopped before the tests were through: the page of before stays
            return status
        PAGE.write_text(page(ElementTree.parse(results), when(), tested, where()), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written")
    return status


def page(results: ElementTree.ElementTree, when: str, commit: str, where: str) -> str:
    """Return the page of a JUnit file: a row for each test function, then the tables that tests recorded."""
    functions: dict[str, list[ElementTree.Element]] = {}
    tables: dict[str, dict[str, Any]] = {}
    for test in results.iter("testcase"):
        file, name = test.get("classname", "").rsplit(".", 1)[-1], test.get("name", "").partition("[")[0]
        functions.setdefault(f"{file}: {name.removeprefix('test_').replace('_', ' ')}", []).append(test)
        for item in (one for one in test.iter("property") if one.get("name") == "table"):
            told = json.loads(item.get("value", ""))
            tables.setdefault(told["title"], told | {"rows": []})["rows"] += told["rows"]
    rows = [[name, _outcomes(tests), f"{sum(map(_seconds, tests)):.0f}"] for name, tests in functions.items()]
    parts = [INTRODUCTION.format(when=when, commit=commit, where=where), markdown(["test", "result", "seconds"], rows)]
    parts += [f"## {title}\n\n{markdown(table['head'], table['rows'])}" for title, table in tables.items()]
    return "\n".join(parts)


def _outcomes(tests: list[ElementTree.Element]) -> str:
    counts = Counter(map(outcome, tests))
    return ", ".join(f"{count} {told}" if len(tests) > 1 else told for told, count in counts.items())


def _seconds(test: ElementTree.Element) -> float:
    return float(test.get("time", 0))


def outcome(test: ElementTree.Element) -> str:
    """Return passed, skipped with its reason, or failed."""
    skipped = test.find("skipped")
    if skipped is not None:
        return f"skipped: {skipped.get('message')}"
    return "passed" if test.find("failure") is None and test.find("error") is None else "**failed**"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table; what would end a cell is written so that it does not."""
    return "".join(_lines(head, rows))


def _lines(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " / ") for cell in cells) + " |\n"


def when() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def commit() -> str:
    """Return the commit that was tested, and whether files were changed since."""
    short = _git("rev-parse", "--short", "HEAD")
    changed = [line for line in _git("status", "--porcelain").splitlines() if not line.endswith("docs/robustness.md")]
    return f"{short} and changes that are not committed" if changed else short


def where() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "monai", "numpy"))
    return f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
