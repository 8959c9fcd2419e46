import subprocess
import sys

import pytest
import torch

from llmsegnet_bundle.precision import AutocastInferer, has_bf16


def test_autocast_inferer_computes_in_the_fast_type():
    layer = torch.nn.Linear(2, 2)
    expected = torch.bfloat16 if has_bf16("cpu") else torch.float32
    assert AutocastInferer()(torch.zeros(1, 2), layer).dtype == expected


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as on Linux")
def test_freed_memory_is_used_again():
    code = """
import resource, torch
from llmsegnet_bundle.precision import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB, 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(); print(faults()); keep_freed_memory(); faults(); print(faults())
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    without, with_it = map(int, done.stdout.split())
    assert with_it < without / 10
