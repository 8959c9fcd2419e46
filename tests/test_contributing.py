"""The map of CONTRIBUTING.md leads to files, and to every room of the package."""

import re
from pathlib import Path

from test_rooms import ROOMS

ROOT = Path(__file__).parents[1]
GROUND = {"choices", "commands", "documents", "errors", "files", "locks", "memory", "parallel", "precision", "usage"}
APART = GROUND | {"bundles", "tools"}


def paths():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## I want to change")[1]
    return [path for line in table.splitlines()[4:] for path in re.findall(r"`([^`]+)`", line.split("|")[2])]


def test_map_leads_to_files_that_exist():
    assert len(paths()) > 30
    assert [path for path in paths() if not list(ROOT.glob(path))] == []


def test_map_has_every_room_that_does_something_of_its_own():
    rooms = {Path(path).parts[1].removesuffix(".py") for path in paths() if path.startswith("llmsegnet_bundle/")}
    assert sorted(set(ROOMS) - APART - rooms) == []  # a new room gets a line
