import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from bundle_runs import BUNDLE, workflow
from monai.utils import instantiate

from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.errors import install, told_in_one_line
from llmsegnet_bundle.handlers import Average
from llmsegnet_bundle.phantom import write_phantom


def raised(function):
    with pytest.raises(Exception) as info:  # noqa: PT011  of any kind
        function()
    return info.value


def test_refusal_of_a_constructor_is_found_among_the_causes(tmp_path):
    flow = workflow(["train"], ema=2, dataset_dir=str(tmp_path), initialize=["$@average"])
    error = raised(flow.initialize)
    assert told_in_one_line(error) == "ema: must be none, or a decay in 0 .. 1, got 2"


def test_config_of_an_older_version_is_told_with_the_cure(tmp_path):
    imports = ["$import llmsegnet_bundle.bundles as bundles"]
    flow = workflow(["train"], imports=imports, initialize=["$bundles.exit_on_error(bundles.check_flags, {})"])
    told = told_in_one_line(raised(flow.initialize))
    assert told.startswith(
        "the configs of this bundle are of an older version; run `python -m llmsegnet_bundle assemble`"
    )


def test_errors_of_others_are_left_alone():
    assert told_in_one_line(raised(lambda: int("a"))) is None
    assert told_in_one_line(raised(lambda: Average(None).followed.nothing)) is None


def test_several_faults_keep_a_line_each(monkeypatch):
    monkeypatch.setattr("llmsegnet_bundle.documents._load_yaml", lambda text: ["a"])
    monkeypatch.setattr("llmsegnet_bundle.documents.Path.read_text", lambda self, encoding: "")
    assert told_in_one_line(raised(lambda: read_mapping("one  fault\nand another"))) == (
        "one fault\nand another must hold keys and values, got list"
    )


def test_absent_package_is_told_by_name():
    error = raised(lambda: importlib.import_module("absent_package"))
    assert told_in_one_line(error) == "the package absent_package is not installed; install it beside this one"


def test_unknown_target_is_told_by_name():
    error = raised(lambda: instantiate("RandSpellingd", "default"))
    assert told_in_one_line(error) == "_target_: RandSpellingd is no class or function that MONAI or an import knows"


@pytest.mark.parametrize(
    ("name", "installed"),
    [("monai.bundle.__main__", True), ("monailabel.interfaces.utils.app", True), ("pytest.__main__", False)],
)
def test_hook_is_that_of_the_programs_that_run_configs(name, installed, monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", before := sys.excepthook)
    install(SimpleNamespace(__spec__=SimpleNamespace(name=name)))
    assert (sys.excepthook is not before) == installed
    if installed:
        error = raised(lambda: Average(None, 2))
        sys.excepthook(type(error), error, error.__traceback__)
        assert capsys.readouterr().err == "ema: must be none, or a decay in 0 .. 1, got 2\n"


@pytest.mark.slow
def test_command_ends_with_one_line_and_status_1(tmp_path):
    write_phantom(tmp_path, scans=3, size=(48, 48, 48))
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str(BUNDLE / "configs/train.json"), "--dataset_dir", str(tmp_path), "--labeled", "1"]
    command += ["--validation", "1", "--ckpt_dir", str(tmp_path / "c"), "--cache_dir", "none", "--spacing_mm", "fine"]
    done = subprocess.run([*command, "--output_dir", str(tmp_path / "o")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "spacing_mm: must be three numbers above 0, got 'fine'"
