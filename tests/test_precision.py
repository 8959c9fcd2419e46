import subprocess
import sys

import pytest
import torch

from llmsegnet_bundle import precision
from llmsegnet_bundle.precision import AutocastInferer


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_autocast_inferer_computes_in_the_fast_type(fast, dtype, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: fast)
    assert AutocastInferer()(torch.zeros(1, 2), torch.nn.Linear(2, 2)).dtype == dtype


def test_gpu_without_bfloat16_computes_in_float16(monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert (precision.needs_fp16("cuda"), precision.needs_fp16("cpu")) == (True, False)
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    assert not precision.needs_fp16("cuda")


@pytest.mark.parametrize("deterministic", [True, False])
def test_seed_repeats_and_cudnn_does_so_only_where_asked(deterministic):
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        drawn = []
        for _ in range(2):
            precision.set_seed(3, deterministic)
            drawn.append(torch.rand(()).item())
        assert drawn[0] == drawn[1]
        assert torch.backends.cudnn.deterministic == deterministic
        assert torch.backends.cudnn.benchmark != deterministic
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


@pytest.mark.parametrize(("norm", "last"), [(torch.nn.BatchNorm3d, True), (torch.nn.InstanceNorm3d, False)])
def test_layout_follows_the_norm(norm, last):
    network = precision.fast_layout(torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3), norm(4)), "cpu")
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last_3d) == last


def test_memory_that_torch_holds_unused_counts_as_free(monkeypatch):
    for name, value in {"mem_get_info": (100, 900), "memory_reserved": 70, "memory_allocated": 30}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert precision.free_bytes("cuda") == 140


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as on Linux")
def test_freed_memory_is_used_again():
    code = """
import resource, sys, torch
from llmsegnet_bundle.networks import VNet
from llmsegnet_bundle.precision import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
network, image = VNet(base_filters=4), torch.rand(2, 1, 64, 64, 64)
for turn in range(12):
    if turn == 4:  # by then the memory of a turn is there, but for a block now and then
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(image).mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    without, with_it = (
        int(subprocess.run([*command, way], capture_output=True, text=True, check=True).stdout) for way in ("", "keep")
    )
    assert with_it < without / 10


def test_freed_memory_is_kept_within_and_given_back_before_and_after(monkeypatch):
    calls = []
    libc = {"mallopt": lambda what, value: calls.append((what, value)), "malloc_trim": lambda rest: calls.append(rest)}
    monkeypatch.setattr(precision, "_libc", libc.get)
    monkeypatch.setitem(precision._freed_memory, "kept", False)
    with precision.freed_memory_kept():
        assert calls == [0, (-4, 0), (-1, -1)]
    assert calls[3:] == [(-4, 65_536), (-1, 131_072), 0]
    precision.keep_freed_memory()
    before = list(calls)
    with precision.freed_memory_kept():
        pass
    assert calls == before
