import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import distributed

from llmsegnet_bundle import parallel

SHARE = """
import sys
import torch.distributed as dist
from llmsegnet_bundle.parallel import shared
rank = int(sys.argv[2])
dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=rank, world_size=2)
worked = []

def work(case):
    worked.append(case)
    return case * case

print(shared(work, range(5), 2) == [0, 1, 4, 9, 16], sorted(worked))

def fail(case):
    if case > 1:
        raise ValueError(f"case {case}")

try:
    shared(fail, range(6), 1)
except ValueError as error:
    print(error)
print(shared(work, [], 1))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_work_on_a_share_each_and_know_all(tmp_path):
    commands = [[sys.executable, "-W", "ignore", "-c", SHARE, str(tmp_path / "store"), str(rank)] for rank in range(2)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert told == [["True [0, 2, 4]", "case 2", "[]"], ["True [1, 3]", "case 2", "[]"]]


def test_alone_one_process_works_on_all():
    assert parallel.shared(lambda case: -case, [1, 2, 3], threads=2) == [-1, -2, -3]
    with pytest.raises(ValueError, match="case 1"):
        parallel.shared(lambda case: exec(f"raise ValueError('case {case}')"), [1, 2], threads=2)


def test_first_process_of_each_node_writes(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert parallel.first_of_node()
    for rank, first in (("0", True), ("3", False)):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert parallel.first_of_node() == first


def test_each_process_takes_the_gpu_of_its_place_on_its_node(monkeypatch):
    assert parallel.take_device() == torch.device("cpu") or torch.cuda.is_available()
    taken = []
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: True, set_device=taken.append))
    monkeypatch.setattr(distributed, "get_node_local_rank", lambda: 3)
    assert parallel.take_device() == torch.device("cuda", 3)
    assert taken == [torch.device("cuda", 3)]


@pytest.mark.slow
def test_case_that_ends_its_process_leaves_the_others(tmp_path):
    cases = ["1 + 1", "__import__('os')._exit(9)", "3"]
    assert list(parallel.map_apart(eval, cases, "json", -1)) == [2, -1, 3]
