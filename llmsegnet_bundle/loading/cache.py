"""Scans as they stand before the first random transform, on disk: a file each, mapped into memory where it is read."""

import contextlib
import hashlib
import inspect
import io
import os
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai
from filelock import BaseFileLock, FileLock, Timeout
from monai.transforms import Compose
from monai.utils import convert_to_tensor
from torch import Tensor
from tqdm import tqdm

import llmsegnet_bundle
from llmsegnet_bundle.cases import Item, fingerprint, item_files
from llmsegnet_bundle.loading.scan_file import read_scan, write_scan, writing
from llmsegnet_bundle.parallel import cores, in_threads
from llmsegnet_bundle.precision import free_bytes
from llmsegnet_bundle.scans import channel_files

KEPT_DAYS = 14  # of what no start has used: of old crops, spacings or scans, or of another run that is over
STRAY_S = 3600  # seconds without a change, after which nobody writes a part any more
MAKING = 20  # bytes of memory while a byte of a compressed scan becomes tensors


class ScanCache:
    """The tensors of scans behind deterministic transforms, made once, several at a time, and kept in `folder/scans`.

    A file's name is a hash of the scan's files (where they are, sizes, times of change), of the transforms with their
    code, and of the versions of this package and of MONAI; so nothing is ever out of date, and runs with different
    settings share a folder. A file is written beside and renamed, so that a kill leaves it whole or absent; a damaged
    or missing one is made again, also later on. What no start has used for two weeks goes.

    Args:
        items: `{"image": path, "label": path}`, or without a label.
        transform: the transforms, none of them random.
        folder: made when missing; several processes may fill it at once: one does, the others wait.
        progress: show a bar while it is filled.

    Raises:
        ValueError: when the transforms cannot be told apart from others, the folder cannot be written, or a scan
            changes while it is in use.
    """

    def __init__(self, items: Sequence[Item], transform: Compose, folder: str | Path, progress: bool = True) -> None:
        self.items = items
        self.transform = transform
        self.folder = Path(folder) / "scans"
        self.version = _version(transform)
        self.files = [self._file(item) for item in items]
        self._fill(progress)
        self._evict()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, scan: int) -> dict[str, Tensor]:
        """Return the tensors of a scan, mapped: what is not read of them takes no memory."""
        return read_scan(self.files[scan]) or self._make(scan)

    def size_bytes(self) -> int:
        """Return how much memory all scans take."""
        return sum(file.stat().st_size for file in self.files)

    def load(self, scan: int) -> dict[str, Tensor]:
        """Return the tensors of a scan in memory, every byte checked."""
        mapped = read_scan(self.files[scan], checked=True)
        return self._make(scan) if mapped is None else {key: tensor.clone() for key, tensor in mapped.items()}

    def _file(self, item: Item) -> Path:
        key = hashlib.sha256(fingerprint(item) + self.version.encode()).hexdigest()
        return self.folder / f"{key}.safetensors"

    def _missing(self) -> dict[Path, int]:
        return {file: scan for scan, file in enumerate(self.files) if read_scan(file) is None}

    def _fill(self, progress: bool) -> None:
        missing = self._missing()
        if not missing:  # a folder that may only be read serves too
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with tqdm(total=len(missing), desc="preprocessing", unit="scan", disable=not progress) as bar:
            lock = FileLock(self.folder / ".lock", mode=0o666)
            while not self._locked(lock):  # another process makes them
                bar.update(bar.total - len(self._missing()) - bar.n)
            try:
                todo = list(self._missing().values())
                bar.update(bar.total - len(todo) - bar.n)
                for _ in in_threads(self._keep, todo, making_threads(self.items)):
                    bar.update()
            finally:
                lock.release()

    def _locked(self, lock: BaseFileLock) -> bool:
        with writing(self.folder):
            try:
                lock.acquire(timeout=1)
            except Timeout:
                return False
        return True

    def _keep(self, scan: int) -> None:
        self._make(scan)

    def _make(self, scan: int) -> dict[str, Tensor]:
        made = prepare(self.items[scan], self.transform)
        if self._file(self.items[scan]) != self.files[scan]:
            raise ValueError(f"{self.items[scan]['image']} or its label changed while it was in use; start again")
        write_scan(self.files[scan], made)
        return made

    def _evict(self) -> None:
        for file in self.files:
            with contextlib.suppress(OSError):  # another user's
                os.utime(file)
        for file in self.folder.iterdir():
            with contextlib.suppress(OSError):  # another process may have removed it just now
                age_s = time.time() - file.stat().st_mtime
                if age_s > {".tmp": STRAY_S, ".safetensors": KEPT_DAYS * 86400}.get(file.suffix, age_s):
                    file.unlink()


def prepare(item: Item, transform: Compose) -> dict[str, Tensor]:
    """Return the tensors that a scan becomes, without MONAI's metadata."""
    # transforms that say they are not safe in threads are copied
    result: Any = transform(item, threading=True)
    return {
        key: convert_to_tensor(value, track_meta=False).contiguous()
        for key, value in result.items()
        if isinstance(value, Tensor)
    }


def _version(transform: Compose) -> str:
    """Return a hash of what the tensors of a scan depend on: transforms, their code, and the versions behind it."""
    steps = transform.flatten().transforms
    package = Path(llmsegnet_bundle.__file__).parent
    sources = {file for room in ("scans", "transforms") for file in (package / room).rglob("*.py")}
    for step in steps:
        with contextlib.suppress(TypeError, OSError):  # typed into a session: has no file
            sources.add(Path(inspect.getfile(type(step))))
    settings = io.BytesIO()
    pickler = pickle.Pickler(settings)
    pickler.fast = True  # else a text that is there twice is told differently in another process
    try:
        pickler.dump(steps)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(f"what a transform makes cannot be kept on disk ({error}); give --cache_dir none") from None
    code = b"".join(file.read_bytes() for file in sorted(sources) if file.is_file())
    versions = f"{llmsegnet_bundle.__version__} {monai.__version__}".encode()
    return hashlib.sha256(versions + code + settings.getvalue()).hexdigest()


def making_threads(items: Sequence[Item]) -> int:
    """Return how many scans are made at a time: one a core, or as many as half of the free memory holds."""
    largest = max((sum(_size_bytes(path) for path in item_files(item)) for item in items), default=0)
    return max(1, min(cores(), free_bytes("cpu") // 2 // (MAKING * max(1, largest))))


def _size_bytes(path: str) -> int:
    if not isinstance(path, str):  # a tensor
        return 0
    parts = [part for file in channel_files(path) for part in (file.iterdir() if file.is_dir() else [file])]
    return sum(part.stat().st_size for part in parts)
