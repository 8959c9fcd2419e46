"""How time and memory are measured: in a fresh process, whose allocator and peak no other measurement has touched."""

import multiprocessing
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class Cost(NamedTuple):
    """Median seconds of a turn, and the peak of the process's memory above what it held before, in GB."""

    seconds: float
    memory_gb: float


def in_fresh_process(function: Callable[..., Result], *args: Any) -> Result:
    """Return `function(*args)` of a new process; function and arguments must be picklable."""
    return in_fresh_processes(function, [args])[0]


def in_fresh_processes(function: Callable[..., Result], calls: Sequence[tuple]) -> list[Result]:
    """Return `function(*args)` for the arguments of each call, all at the same time in new processes of their own."""
    with ProcessPoolExecutor(len(calls), mp_context=multiprocessing.get_context("spawn")) as pool:
        return [turn.result() for turn in [pool.submit(function, *args) for args in calls]]


def cost(turn: Callable[[], object], repeats: int) -> Cost:
    """Call `turn` once to warm up and `repeats` times for the measurement."""
    before = _peak_gb()
    seconds(turn)
    times = [seconds(turn) for _ in range(repeats)]
    return Cost(statistics.median(times), _peak_gb() - before)


def first_cost(turn: Callable[[], object]) -> Cost:
    """Call `turn` once, what it does for the first time included."""
    before = _peak_gb()
    return Cost(seconds(turn), _peak_gb() - before)


# the system counts for a process what the one that started it held: so a small one starts it and tells its children's
STARTED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:], stderr=subprocess.STDOUT)
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def cost_of_command(command: Sequence[str]) -> Cost:
    """Run a command to its end and return its seconds and the peak of its memory, or that of a process that it starts.

    Raises:
        RuntimeError: with what it said, when it fails.
    """
    start = time.perf_counter()
    with tempfile.NamedTemporaryFile() as peak:
        done = subprocess.run([sys.executable, "-c", STARTED, peak.name, *command], stdout=subprocess.PIPE, text=True)
        took = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}")
        held = int(Path(peak.name).read_text())
    return Cost(took, held * (1 if sys.platform == "darwin" else 1024) / 1e9)


def seconds(turn: Callable[[], object]) -> float:
    """Return the seconds that `turn` takes."""
    start = time.perf_counter()
    turn()
    return time.perf_counter() - start


def _peak_gb() -> float:
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent held at the fork
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e9  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # macOS: bytes
