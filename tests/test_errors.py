import importlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE, workflow
from monai.utils import instantiate
from torch.utils.data import DataLoader, Dataset

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.errors import install, told_in_one_line
from llmsegnet_bundle.handlers import Average
from llmsegnet_bundle.tools.phantom import write_phantom


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


def allocate(*shape):
    return np.zeros(shape)


class Killed(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def lose_a_pool():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(os._exit, 9).result()


def wrapped(function):
    try:
        function()
    except Exception as error:
        raise RuntimeError("applying transform") from error


SYSTEM = {
    "no file": (lambda: open("/absent/a"), r"/absent/a: No such file or directory"),  # noqa: SIM115
    "a wrapped one": (lambda: wrapped(lambda: open("/absent/a")), r"/absent/a: No such file or directory"),  # noqa: SIM115
    "a full disk": (lambda: Path("/dev/full").write_text("a"), "No space left on device"),
    "numpy's memory": (lambda: allocate(2**45), r"memory ran out \(Unable to allocate 256. TiB\); end other programs"),
    "torch's memory": (lambda: torch.empty(2**50), r"memory ran out \(you tried to allocate \d+ bytes\); end other"),
    "Python's memory": (lambda: bytes(2**62), "memory ran out; end other programs"),
    "a loader": (
        lambda: next(iter(DataLoader(Killed(), num_workers=1))),
        r"a worker process was lost \(is killed by signal: Killed\), perhaps for lack of memory",
    ),
    "a pool": (lose_a_pool, r"a worker process was lost \(was terminated\), perhaps for lack of memory"),
}


@pytest.mark.parametrize(("function", "told"), SYSTEM.values(), ids=SYSTEM)
def test_what_the_system_says_is_one_line(function, told):
    line = told_in_one_line(raised(function))
    assert re.match(told, line), line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
        (MemoryError(), 1, "memory ran out; end other programs"),
        (OSError(28, "No space left on device", "x"), 1, "x: No space left on device"),
        (OSError("of the Hub"), 1, "of the Hub"),
    ],
)
def test_command_ends_with_what_the_system_says(error, status, told, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("fire.Fire", fail)
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle"])
    with pytest.raises(SystemExit) as end:
        main()
    code = end.value.code
    assert (code if isinstance(code, int) else 1) == status
    assert (capsys.readouterr().err if isinstance(code, int) else code).startswith(told)


def test_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("fire.Fire", lambda *args, **kwargs: {}["a"])
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle"])
    with pytest.raises(KeyError):
        main()


def handle_badly():
    try:
        Path("/absent/a").read_text(encoding="utf-8")
    except OSError:
        return {}["a"]


def test_fault_in_the_handling_of_what_the_system_says_is_left_alone():
    assert told_in_one_line(raised(handle_badly)) is None


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
