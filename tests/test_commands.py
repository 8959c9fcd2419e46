import json
import sys

from llmsegnet_bundle.commands import bundle_command


def test_command_reads_a_file_that_keeps_types_and_none(tmp_path):
    overrides = {"a": None, "b": [1, 2], "c": tmp_path / "x", "d": "1e3"}
    command = bundle_command(tmp_path / "new", "training", "some/bundle", ["train.json", "own.json"], overrides)
    file = tmp_path / "new/training.json"
    assert command[1:] == ["-W", "ignore", "-m", "monai.bundle", "run", "training", "--args_file", str(file)]
    assert command[0] == sys.executable
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "config_file": ["train.json", "own.json"],
        "bundle_root": "some/bundle",
        "logging_file": "some/bundle/configs/logging.conf",
        "a": None,
        "b": [1, 2],
        "c": str(tmp_path / "x"),
        "d": "1e3",
    }
