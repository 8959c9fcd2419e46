"""What a run does to files and signals of others, and what a second one, a full disk or Ctrl-C does to its own."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import threading

import nibabel as nib
import pytest
from bundle_runs import BUNDLE, ROOT, SMALL, prepared, refused, run
from monai.networks.nets import BasicUNet

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.locks import locked
from llmsegnet_bundle.networks.weights import read_description, write_weights

pytestmark = pytest.mark.slow


def train(scans, folder, **overrides):
    return run(["train_supervised"], scans, folder, max_steps=2, **overrides)


@pytest.fixture(scope="module")
def model(scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(scans, folder)
    return str(folder / "ckpt/model.pt")


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_second_run_in_a_folder_stops_and_the_first_one_goes_on(scans, tmp_path):
    flow = prepared(["train_supervised"], scans, tmp_path, max_steps=2)
    for name in ("ckpt", "out"):
        with locked(tmp_path / name, "training", "x"), refused(f"another training is at work in .*{name}; wait for it"):
            flow.run()
    assert not (tmp_path / "ckpt").exists()
    train(scans, tmp_path)
    with locked(tmp_path / "out", "evaluation", "x"):
        with refused("another evaluation is at work in .*out; wait for it, or give another output_dir"):
            run(["train_supervised", "evaluate"], scans, tmp_path)
        train(scans, tmp_path)  # of another kind
    assert not list(tmp_path.rglob(".*.lock"))


def test_weights_of_others_are_kept_once_and_put_back_by_the_command_that_is_told(scans, tmp_path, monkeypatch, capsys):
    model = tmp_path / "pretrained.pt"
    write_weights(BasicUNet(3, 1, 2).state_dict(), model, {"settings": {"classes": 2}})
    before = model.read_bytes(), model.with_suffix(".json").read_bytes()
    train(scans, tmp_path, model_file=str(model), val_interval=1)
    told = [line for line in capsys.readouterr().out.splitlines() if "is not of this run and kept as" in line]
    assert len(told) == len([name for name in names(tmp_path / "ckpt") if name.startswith("model_before_")]) / 2 == 1
    trained = model.read_bytes()
    assert read_description(model)["selection"]["step"] == 2
    monkeypatch.setattr(sys, "argv", shlex.split(told[0].split("puts it back: ")[1])[2:])
    main()
    assert (model.read_bytes(), model.with_suffix(".json").read_bytes()) == before
    monkeypatch.setattr(sys, "argv", shlex.split(capsys.readouterr().out.split("is kept: ")[1])[2:])
    main()
    assert model.read_bytes() == trained


def test_continued_run_keeps_nothing_of_its_own(scans, tmp_path):
    train(scans, tmp_path, val_interval=1)
    train(scans, tmp_path, val_interval=1)
    assert names(tmp_path / "ckpt") == ["last.pt", "last_one_before.pt", "model.json", "model.pt"]
    train(scans, tmp_path, val_interval=1, resume=False)  # another run
    assert len([name for name in names(tmp_path / "ckpt") if name.startswith("model_before_")]) == 2


def test_run_in_a_thread_leaves_the_signals_alone(scans, tmp_path):
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=train, args=(scans, tmp_path))
    thread.start()
    thread.join()
    assert (tmp_path / "ckpt/model.pt").is_file()
    train(scans, tmp_path / "main")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == signals


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells what a handle is of")
def test_full_disk_leaves_state_and_weights_as_they_were(scans, tmp_path, monkeypatch):
    train(scans, tmp_path)
    before = {file: file.read_bytes() for file in (tmp_path / "ckpt").iterdir()}

    def full(handle):
        if "ckpt" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with refused(r"ckpt/model\.pt cannot be written \(No space left on device\); free space, or give another place"):
        train(scans, tmp_path, resume=False)
    assert {file: file.read_bytes() for file in (tmp_path / "ckpt").iterdir() if "before" not in file.name} == before


@pytest.mark.parametrize("reason", ["a full disk", "Ctrl-C", "a link to the scan", "a second inference"])
def test_inference_that_is_ended_leaves_nothing_behind(reason, scans, model, tmp_path, monkeypatch):
    out = tmp_path / "masks"
    flow = prepared(["inference"], scans / "imagesTr", tmp_path, output_dir=str(out), model_file=model, overwrite=True)
    calls = []

    def save(image, file):
        file.write_bytes(b"half")
        calls.append(file)
        raise KeyboardInterrupt if reason == "Ctrl-C" else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if reason == "a link to the scan":
        out.mkdir()
        (out / "PHANTOM_001_seg.nii.gz").symlink_to(scans / "imagesTr/PHANTOM_001.nii.gz")
        with refused(r"PHANTOM_001_seg\.nii\.gz is .*PHANTOM_001\.nii\.gz, which is read"):
            flow.run()
        assert names(out) == ["PHANTOM_001_seg.nii.gz"]
        return
    if reason == "a second inference":
        with locked(out, "inference", "x"), refused("another inference is at work in .*masks; wait for it"):
            flow.run()
        return
    monkeypatch.setattr(nib, "save", save)
    if reason == "Ctrl-C":
        with pytest.raises(KeyboardInterrupt):
            flow.run()
    else:
        with refused(r"masks/PHANTOM_000_seg\.nii\.gz cannot be written \(No space left on device\); free space"):
            flow.run()
    assert len(calls) == 1
    assert not out.exists()


def test_two_processes_stop_together_where_another_run_is_at_work(scans, tmp_path):
    files = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "monai.bundle", "run", "training", "--config_file", str(files), "--bundle_root", str(BUNDLE)]
    places = {"dataset_dir": scans, "output_dir": tmp_path / "out", "ckpt_dir": tmp_path / "ckpt", "cache_dir": "none"}
    for key, value in (places | SMALL).items():
        command += [f"--{key}", str(value)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with locked(tmp_path / "ckpt", "training", "x"):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.count("another training is at work in") == 1
    assert not (tmp_path / "out").exists()
