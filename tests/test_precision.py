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


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as on Linux")
def test_freed_memory_is_used_again():
    code = """
import resource, torch
from llmsegnet_bundle.precision import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB, 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(5))); keep_freed_memory(); print(min(faults() for _ in range(5)))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    without, with_it = map(int, done.stdout.split())
    assert with_it < without / 10
