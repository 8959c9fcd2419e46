"""A folder held by one process at a time."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from llmsegnet_bundle.files import writing_to

try:
    import fcntl
except ImportError:  # of Windows, where a second run is not told
    fcntl: Any = None  # type: ignore[no-redef]

CHILDREN_S = 15.0  # that the children of a killed process get to notice it: loaders of torch look every 5 s


@contextmanager
def locked(folder: str | Path, kind: str, setting: str) -> Iterator[int]:
    """Hold a folder against a second process that does the same in it.

    The system takes the lock from a process with its end, however that comes; children that got its file hold it too.

    Args:
        folder: made when missing.
        kind: what is done, such as "training"; another kind may be at work beside it.
        setting: that named the folder, for the error.

    Yields:
        The descriptor of the lock's file, which goes at the end.

    Raises:
        ValueError: when a process, also this one, does the same there already; or it is a file or cannot be written.
    """
    place = Path(folder)
    path = place / f".{kind}.lock"
    found = place.exists()
    if found and not place.is_dir():
        raise ValueError(f"{setting}: {folder} is a file; give a folder")
    with writing_to(place):
        place.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(path)
    if descriptor is None:
        raise ValueError(f"another {kind} is at work in {folder}; wait for it, or give another {setting}")
    try:
        with writing_to(place):  # a full disk, which what follows would find later
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held, so that nobody else's goes
            if not found:
                place.rmdir()  # where nothing was written
        os.close(descriptor)


def _acquire(path: Path) -> int | None:
    """Return the descriptor of a lock that is now held; None when another process holds it."""
    patience_ends = time.monotonic() + CHILDREN_S
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _take(descriptor):
            holder = os.pread(descriptor, 32, 0)
            os.close(descriptor)
            if time.monotonic() > patience_ends or not holder or psutil.pid_exists(int(holder)):
                return None
            time.sleep(0.2)
        elif not _is_file(descriptor, path):  # its holder gave it back, and it went, after it was opened here
            os.close(descriptor)
        else:
            return descriptor


def _take(descriptor: int) -> bool:
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # of a file system without locks
        return True
    return True


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
