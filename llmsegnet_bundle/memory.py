"""How much memory this process can still have: of the machine, its control group (containers, Slurm) and `ulimit`."""

from collections.abc import Iterator
from pathlib import Path

import psutil

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FILES = {  # version of control groups -> limit, use, and what of the use is files that the system would drop
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def machine_bytes() -> int:
    """Return the memory that can be had: what the machine has, or less where a limit comes first."""
    return max(0, min([psutil.virtual_memory().available, *_group_bytes(), *_ulimit_bytes()]))


def _group_bytes() -> Iterator[int]:
    """Yield what each limit of the control groups of this process leaves."""
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base = GROUPS / "memory" if kinds else GROUPS
        limit, used, dropped = FILES[1 if kinds else 2]
        place = base / path.lstrip("/")
        # in a container the path may be that of the host, and only the base is there
        for folder in [place, *(parent for parent in place.parents if parent.is_relative_to(base))]:
            try:
                left = int((folder / limit).read_text()) - int((folder / used).read_text())
                counts = dict(row.split() for row in (folder / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):  # no such group, or "max" of one without a limit
                continue
            yield left + int(counts.get(dropped, 0))


def _ulimit_bytes() -> Iterator[int]:
    """Yield what `ulimit -v` and `ulimit -d` leave."""
    if resource is None:
        return
    used = psutil.Process().memory_info()
    for name, taken in (("RLIMIT_AS", used.vms), ("RLIMIT_DATA", getattr(used, "data", 0))):
        soft = resource.getrlimit(getattr(resource, name))[0]
        if soft != resource.RLIM_INFINITY:
            yield soft - taken
