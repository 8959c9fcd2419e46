"""Tensors of this process alone, on disk instead of in memory."""

import mmap
import os
import tempfile
import weakref
from pathlib import Path

import torch
from torch import Tensor


class ScratchTensors:
    """float16 tensors by number, in one file without a name: the system removes it with the process, however that ends.

    Args:
        folder: in whose file system the file lies; made when missing.

    Raises:
        ValueError: when the file cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise ValueError(f"{self.folder}: {error.strerror}; give another --cache_dir") from None
        weakref.finalize(self, self.file.close)
        self.places: dict[int, tuple[int, torch.Size]] = {}
        self.end = 0

    def __contains__(self, number: object) -> bool:
        return number in self.places

    def __setitem__(self, number: int, tensor: Tensor) -> None:
        content = tensor.to("cpu", torch.float16).contiguous().numpy().data.cast("B")
        offset, shape = self.places.get(number, (0, None))
        if shape != tensor.shape:
            offset, self.end = self.end, self.end + _pages(len(content))
            self.places[number] = (offset, tensor.shape)
        try:
            while content:
                written = os.pwrite(self.file.fileno(), content, offset)
                content, offset = content[written:], offset + written
        except OSError as error:
            raise ValueError(f"{self.folder}: {error.strerror}; make room there, or give another --cache_dir") from None

    def __getitem__(self, number: int) -> Tensor:
        """Return the tensor, mapped: what is not read of it takes no memory."""
        offset, shape = self.places[number]
        size = 2 * shape.numel()
        mapped = mmap.mmap(self.file.fileno(), size, access=mmap.ACCESS_COPY, offset=offset)
        return torch.frombuffer(mapped, dtype=torch.float16).reshape(shape)


def _pages(size: int) -> int:
    return -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
