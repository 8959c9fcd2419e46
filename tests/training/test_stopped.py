"""Trainings as true command lines, of one process and of two, stopped and continued."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from bundle_runs import BUNDLE, ROOT, SMALL


@pytest.mark.slow
def test_interrupt_saves_and_the_same_command_continues(scans, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training", "--bundle_root", str(BUNDLE)]
    command += ["--config_file", str(BUNDLE / "configs/train.json"), "--dataset_dir", str(scans)]
    command += ["--output_dir", str(tmp_path / "out"), "--ckpt_dir", str(tmp_path / "ckpt")]
    command += ["--cache_dir", str(tmp_path / "cache")]
    for key, value in (SMALL | {"max_steps": 40, "val_interval": 40}).items():
        command += [f"--{key}", str(value)]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        while "a step:" not in log.read_text(encoding="utf-8"):  # printed after a few steps
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "the same command continues" in log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")
    stopped = torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"]
    assert 0 < stopped < 40
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"continuing from step {stopped}" in done.stdout + done.stderr
    assert torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"] == 40


@pytest.mark.slow
@pytest.mark.parametrize("validation", [1, 2], ids=["fewer validation scans", "a validation scan each"])
def test_two_processes_end_with_equal_networks(validation, scans, tmp_path):
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    states = tmp_path / "rank"
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "monai.bundle", "run", "training", "--config_file", str(files), "--bundle_root", str(BUNDLE)]
    command += [
        "--dataset_dir",
        str(scans),
        "--output_dir",
        str(tmp_path / "out"),
        "--ckpt_dir",
        str(tmp_path / "ckpt"),
    ]
    save = f"$torch.save(@network.state_dict(), '{states}' + str(@rank) + '.pt')"
    overrides = SMALL | {
        "finalize": ["$torch.distributed.barrier()", save, "$torch.distributed.destroy_process_group()"]
    }
    overrides |= {"validation": validation, "max_steps": 2}
    for key, value in overrides.items():
        command += [f"--{key}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-20000:]
    first, second = (torch.load(f"{states}{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any("running_mean" in name for name in first)


@pytest.mark.slow
def test_signal_to_one_of_two_processes_stops_both(scans, tmp_path):
    lines = ["import os, signal", "def send(engine):", "    if os.environ['RANK'] == '1':"]
    lines.append("        os.kill(os.getpid(), signal.SIGTERM)")
    (tmp_path / "signals.py").write_text("\n".join(lines))
    train = json.loads((BUNDLE / "configs/train.json").read_text(encoding="utf-8"))
    attach = "$@train#trainer.add_event_handler(ignite.engine.Events.ITERATION_COMPLETED(once=3), signals.send)"
    own = {"imports": [*train["imports"], "$import ignite", "$import signals"], "training": [attach, *train["run"]]}
    (tmp_path / "own.json").write_text(json.dumps(own))
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    files.append(str(tmp_path / "own.json"))
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "monai.bundle", "run", "training", "--config_file", str(files), "--bundle_root", str(BUNDLE)]
    places = {"dataset_dir": scans, "output_dir": tmp_path / "out", "ckpt_dir": tmp_path / "ckpt", "cache_dir": "none"}
    for key, value in (places | SMALL | {"max_steps": 40, "val_interval": 40}).items():
        command += [f"--{key}", str(value)]
    paths = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | paths)
    assert done.returncode == 0, done.stderr[-20000:]
    told = (done.stdout + done.stderr).replace("\r", "\n")
    assert told.count("the same command continues") == 1
    assert "stopping after this step" not in told  # the signal came to a process that does not speak
    assert torch.load(tmp_path / "ckpt/last.pt", weights_only=True)["step"] == 4
