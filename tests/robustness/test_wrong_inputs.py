"""Each wrong input of `wrong_inputs.yaml` ends its command with status 1 and what is told there, and harms no file."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import wrong_files
import yaml
from bundle_runs import BUNDLE, ROOT
from warm import WarmProcess

TABLE = yaml.safe_load(Path(__file__).with_name("wrong_inputs.yaml").read_text(encoding="utf-8"))
ROWS = [(command, row) for command, rows in TABLE.items() for row in rows]
WARM = ["bundle_runs", "torch.utils.tensorboard", "monai.bundle", "monai.transforms", "monai.handlers"]
PACKAGE = ["__main__", "evaluation", "handlers", "inference", "loading", "networks", "planning", "report", "settings"]
BAR = re.compile(r"\s*\d+%\|[^|]*\| \d+/\d+ \[[^\]]*\]|\S+: [\d.]+\w*B \[[^\]]*\]")
PART = re.compile(r"\.\d+\.|\.tmp$|\.part$")  # of what is being written


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess([*WARM, *(f"llmsegnet_bundle.{room}" for room in PACKAGE)])
    yield process
    process.close()


@pytest.fixture(scope="module")
def base(warm, tmp_path_factory):
    """Return a folder with scans, and with state, weights and results of a training on them."""
    folder = tmp_path_factory.mktemp("base")
    logs = tmp_path_factory.mktemp("logs")
    done = warm.run("robustness.wrong_command:make_base", str(folder), folder, logs, limit_s=900)
    assert done.status == 0, done.err
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "row"),
    [
        pytest.param(command, row, id=f"{command} {row['give']}", marks=[pytest.mark.slow] if i % 8 == 0 else [])
        for i, (command, row) in enumerate(ROWS)  # CI takes one of eight
    ],
)
def test_wrong_input_is_told_in_one_line_and_harms_nothing(command, row, warm, base, tmp_path, record_property):
    folder, logs = tmp_path / "work", tmp_path / "logs"
    shutil.copytree(base, folder)
    if makers := row.get("files", []):
        done = warm.run("robustness.wrong_command:make_files", [str(folder), *makers], folder, logs)
        assert done.status == 0, done.err
    before = contents(folder) | contents(BUNDLE)
    words = shlex.split(f"{command} {row['give']}".replace("BUNDLE", str(BUNDLE)))
    away = {"HF_HUB_OFFLINE": "1", "TORCH_HOME": str(folder / "out"), "HOME": str(folder / "out")}
    done = warm.run("robustness.wrong_command:run", words, folder, logs, limit_s=900, **away)
    told = told_by(done, folder)
    assert done.status == 1, told
    assert "Traceback" not in done.out + told
    assert len(told.splitlines()) == row.get("lines", 1), told
    assert re.search(row["told"], told), told
    after = contents(folder) | contents(BUNDLE)
    assert {file: after.get(file) for file in before} == before
    new = sorted(str(file.relative_to(folder)) for file in after.keys() - before.keys())
    assert [file for file in new if not file.startswith("out") or PART.search(file)] == []
    cells = [f"{command} {row['give']}", ", ".join(map(meaning, makers)), told]
    table = {"title": "Wrong inputs, and what they are told", "head": ["command", "files", "told"], "rows": [cells]}
    record_property("table", json.dumps(table))


def test_rows_name_makers_and_every_command_has_some():
    from llmsegnet_bundle.__main__ import COMMANDS

    assert {name for _, row in ROWS for name in row.get("files", [])} <= vars(wrong_files).keys()
    assert set(COMMANDS) | {"train", "supervised", "evaluating", "inference"} <= set(TABLE)
    assert len(ROWS) >= 150


def told_by(done, folder):
    """Return the lines of a command, without its progress bars and the places of this machine."""
    plain = BAR.sub("\n", done.err).replace(str(folder), "").replace(str(BUNDLE), "BUNDLE").replace(f"{ROOT}/", "")
    return "\n".join(line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip())


def contents(folder):
    """Return what tells each file of a folder from what it may become: size, time of change and place on the disk."""
    found = {file: file.lstat() for file in folder.rglob("*")}
    return {file: None if file.is_dir() else (s.st_size, s.st_mtime_ns, s.st_ino) for file, s in found.items()}


def meaning(maker):
    return getattr(wrong_files, maker).__doc__.splitlines()[0].rstrip(".")
