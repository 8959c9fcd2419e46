"""Cases worked on by several processes, with a progress bar, or by several threads; a GPU for each process."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Case = TypeVar("Case")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_cases(
    work: Callable[[Case], Result],
    cases: Sequence[Case],
    workers: int,
    module: str,
    start: Callable[[], Any] | None = None,
) -> Iterator[Result]:
    """Yield the results in order; the first error in order stops the rest.

    Args:
        work: makes the result of a case; it and the cases go to other processes.
        cases: what to work on.
        workers: processes; 1 works in this one.
        module: the module of `work`, imported once for all processes.
        start: called first in every other process.
    """
    bar: Any = partial(tqdm, total=len(cases), unit="case", disable=None, dynamic_ncols=True)
    if min(workers, len(cases)) <= 1:
        yield from bar(map(work, cases))
        return
    # not fork: the caller may hold threads; a fork server imports the module once for all workers
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([module])
    with ProcessPoolExecutor(min(workers, len(cases)), context, initializer=partial(_begin, start)) as pool:
        try:
            yield from bar(pool.map(work, cases))
        finally:
            pool.shutdown(cancel_futures=True)


def ignore_interrupt(worker: int = 0) -> None:
    """Let this process not hear a Ctrl-C, which a terminal sends to all: the one that started it decides what ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _begin(start: Callable[[], Any] | None) -> None:
    ignore_interrupt()
    if start is not None:
        start()


def take_device() -> torch.device:
    """Return the GPU of this process of torchrun, made its current one; the CPU on a machine without one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", torch.distributed.get_node_local_rank())
    torch.cuda.set_device(device)  # else all processes gather on the first GPU
    return device


def in_threads(work: Callable[[Case], Result], cases: Sequence[Case], threads: int) -> Iterator[Result]:
    """Yield the results in order, of that many cases at a time; the first error in order, or Ctrl-C, stops the rest."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, cases)
        finally:
            pool.shutdown(cancel_futures=True)
