"""Two nodes of torchrun, both this machine: what docs/training.md tells to type, with gloo."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from bundle_runs import BUNDLE, ROOT, SMALL

from llmsegnet_bundle.tools.phantom import write_phantom


@pytest.mark.slow
def test_two_nodes_train_and_validate_together(tmp_path):
    write_phantom(tmp_path / "scans", scans=4, size=(52, 52, 50), spacing_mm=0.625)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configs = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    save = f"$torch.save(@network.state_dict(), '{tmp_path}/rank' + str(@rank) + '.pt')"
    ends = ["$torch.distributed.barrier()", save, "$torch.distributed.destroy_process_group()"]
    places = {"dataset_dir": tmp_path / "scans", "output_dir": tmp_path / "out", "ckpt_dir": tmp_path / "ckpt"}
    given = (
        SMALL
        | places
        | {"bundle_root": BUNDLE, "cache_dir": tmp_path / "cache", "max_steps": 2, "validation": 2, "finalize": ends}
    )
    running = []
    for node in range(2):
        command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nnodes=2", f"--node_rank={node}"]
        command += ["--master_addr=127.0.0.1", f"--master_port={port}", "--nproc_per_node=1"]
        command += ["-m", "monai.bundle", "run", "training", "--config_file", str(configs)]
        command += [part for key, value in given.items() for part in (f"--{key}", str(value))]
        with (tmp_path / f"node{node}.log").open("w") as log:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    ended = [node.wait(timeout=600) for node in running]
    told = [(tmp_path / f"node{node}.log").read_text(encoding="utf-8") for node in range(2)]
    assert ended == [0, 0], told
    assert "val_mean_dice" in told[0]
    assert "val_mean_dice" not in told[1]  # one process of all speaks
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert (tmp_path / "ckpt/model.pt").is_file()
