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
for turn in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(image).mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    without, with_it = (
        int(subprocess.run([*command, way], capture_output=True, text=True, check=True).stdout) for way in ("", "keep")
    )
    print(without, with_it)
    assert with_it < without / 4


def test_freed_memory_is_kept_within_and_given_back_after(monkeypatch):
    calls = []
    libc = {"mallopt": lambda what, value: calls.append((what, value)), "malloc_trim": lambda rest: calls.append(rest)}
    monkeypatch.setattr(precision, "_libc", libc.get)
    monkeypatch.setitem(precision._freed_memory, "kept", False)
    with precision.freed_memory_kept():
        assert calls == [(-4, 0), (-1, -1)]
    assert calls[2:] == [(-4, 65_536), (-1, 131_072), 0]
    precision.keep_freed_memory()
    before = list(calls)
    with precision.freed_memory_kept():
        pass
    assert calls == before
