"""The one-way road through the package: a room imports only rooms before it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "llmsegnet_bundle"
ROOMS = [
    "errors",
    "files",
    "documents",
    "locks",
    "choices",
    "settings",
    "commands",
    "parallel",
    "memory",
    "scans",
    "cases",
    "prepare",
    "precision",
    "transforms",
    "loading",
    "text",
    "networks",
    "run",
    "mixing",
    "ramps",
    "losses",
    "trainer",
    "sharing",
    "inference",
    "metrics",
    "evaluation",
    "handlers",
    "report",
    "bundles",
    "planning",
    "ablation",
    "annotation",
    "tools",
    "usage",
    "__main__",
]


def imported_rooms(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("llmsegnet_bundle."))


def test_every_module_is_a_known_room():
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert modules - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_rooms_before_it(room):
    files = list((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    found = {name for file in files for name in imported_rooms(file)}
    assert found <= allowed, f"{room} imports {sorted(found - allowed)}, which come after it"
