"""A file of tensors that is written whole or not at all, and mapped into memory where it is read."""

import contextlib
import os
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def write_scan(file: Path, scan: dict[str, Tensor]) -> None:
    """Write tensors into a file whose folder is there.

    Raises:
        ValueError: when the system refuses; nothing half-written stays.
    """
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    with writing(file.parent):
        try:
            with part.open("xb") as content:
                content.write(save(scan, {"crc32": _checksum(scan)}))
                content.flush()
                os.fsync(content.fileno())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says about a folder of a cache into one line."""
    try:
        yield
    except OSError as error:
        told = f"{folder}: {error.strerror or error}"
        raise ValueError(f"{told}; make room there, or give another --cache_dir (none keeps nothing on disk)") from None


def read_scan(file: Path, checked: bool = False) -> dict[str, Tensor] | None:
    """Return the mapped tensors of a file; None when it is absent or damaged, as far as was `checked`."""
    try:
        with safe_open(file, framework="pt") as content:
            scan = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118  no dict
            crc32 = (content.metadata() or {}).get("crc32")
    except (OSError, SafetensorError):
        return None
    return None if checked and crc32 != _checksum(scan) else scan


def _checksum(scan: dict[str, Tensor]) -> str:
    crc32 = 0
    for key in sorted(scan):
        crc32 = zlib.crc32(scan[key].numpy().data, crc32)
    return str(crc32)
