from types import SimpleNamespace

import psutil
import pytest

from llmsegnet_bundle import memory


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with 1000 bytes free, without limits."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (memory.resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")


def write_group(folder, limit, used, files, version):
    folder.mkdir(parents=True, exist_ok=True)
    names = memory.FILES[version]
    for name, value in zip(names, (limit, used), strict=False):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{names[2]} {files}\n")


def test_machine_without_limits_has_what_is_available():
    assert memory.machine_bytes() == 1000


@pytest.mark.parametrize(
    ("line", "base", "version"), [("0::/job/step", "", 2), ("4:memory:/job/step", "memory", 1)], ids=["v2", "v1"]
)
def test_smallest_limit_of_the_control_groups_counts(line, base, version, tmp_path):
    (tmp_path / "own").write_text(f"9:name=systemd:/\n{line}\n")
    job = tmp_path / base / "job"
    write_group(job / "step", "max" if version == 2 else 2**63 - 4096, 400, 0, version)
    assert memory.machine_bytes() == 1000
    write_group(job, 500, 400, 150, version)
    assert memory.machine_bytes() == 250
    write_group(job / "step", 400, 400, 100, version)
    assert memory.machine_bytes() == 100


def test_group_of_a_container_is_found_where_its_path_is_the_hosts(tmp_path):
    (tmp_path / "own").write_text("0::/docker/0123\n")
    write_group(tmp_path, 900, 700, 0, 2)
    assert memory.machine_bytes() == 200


@pytest.mark.parametrize(("kind", "used"), [("RLIMIT_AS", "vms"), ("RLIMIT_DATA", "data")])
def test_ulimit_counts(kind, used, monkeypatch):
    free = SimpleNamespace(memory_info=lambda: SimpleNamespace(**{"vms": 300, "data": 300}))
    monkeypatch.setattr(psutil, "Process", lambda: free)
    limits = {getattr(memory.resource, kind): (500, 500)}
    monkeypatch.setattr(memory.resource, "getrlimit", lambda asked: limits.get(asked, (memory.resource.RLIM_INFINITY,)))
    assert memory.machine_bytes() == 200
    limits[getattr(memory.resource, kind)] = (100, 100)
    assert memory.machine_bytes() == 0
