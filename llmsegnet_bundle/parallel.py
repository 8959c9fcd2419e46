"""Cases worked on by several processes, with a progress bar, or by several threads; a GPU for each process."""

import multiprocessing
import multiprocessing.context
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
    with ProcessPoolExecutor(min(workers, len(cases)), _context(module), initializer=partial(_begin, start)) as pool:
        try:
            yield from bar(pool.map(work, cases))
        finally:
            pool.shutdown(cancel_futures=True)


def map_apart(work: Callable[[Case], Result], cases: Sequence[Case], module: str, ended: Result) -> Iterator[Result]:
    """Yield the results in order, each made by a process of its own; `ended` where that was ended from outside.

    Args:
        work, cases, module: as of `map_cases`.
        ended: the result of a case that takes its process with it.
    """
    for case in cases:
        with ProcessPoolExecutor(1, _context(module), initializer=ignore_interrupt) as pool:
            try:
                yield pool.submit(work, case).result()
            except BrokenProcessPool:
                yield ended


def _context(module: str) -> multiprocessing.context.BaseContext:
    # not fork: the caller may hold threads; a fork server imports the module once for all workers
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([module])
    return context


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


def shared(work: Callable[[Case], Result], cases: Sequence[Case], threads: int) -> list[Result]:
    """Return the results in order, of which each process of torchrun makes its share, in so many threads.

    Raises:
        ValueError: in all processes, that of the first case in order of those that a process came to.
    """
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        return list(in_threads(work, cases, threads))
    rank, ranks = group.get_rank(), group.get_world_size()
    own: list[Result] = []
    fault = None
    try:
        own.extend(in_threads(work, cases[rank::ranks], threads))
    except ValueError as error:
        fault = rank + ranks * len(own), str(error)
    told: list[Any] = [None] * ranks
    group.all_gather_object(told, (own, fault))
    if faults := [theirs for _, theirs in told if theirs]:
        raise ValueError(min(faults)[1])
    return [told[place % ranks][0][place // ranks] for place in range(len(cases))]


def first_of_node() -> bool:
    """Say whether this process is the one of its machine that writes what all processes know."""
    return torch.distributed.get_node_local_rank(fallback_rank=0) == 0


def in_threads(work: Callable[[Case], Result], cases: Sequence[Case], threads: int) -> Iterator[Result]:
    """Yield the results in order, of that many cases at a time; the first error in order, or Ctrl-C, stops the rest."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, cases)
        finally:
            pool.shutdown(cancel_futures=True)
