"""The embedding bank: vectors that another program made of texts, in one .npz file, in and out."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from llmsegnet_bundle.files import whole_file

FORM = "labels, N texts, and vectors, N x E finite numbers"


def read_bank(file: str | Path) -> tuple[list[str], Tensor]:
    """Return the labels of a bank's N rows, and its vectors (N, E) in float32.

    Raises:
        ValueError: when the file is missing or no such file.
    """
    if not Path(file).is_file():
        raise ValueError(f"bank: {file} does not exist; give an .npz file with {FORM}")
    try:
        with Path(file).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            labels, vectors = arrays["labels"], arrays["vectors"]
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"bank: {file} is no bank ({reason}); it must hold {FORM}") from None
    fits = labels.ndim == 1 and vectors.ndim == 2 and len(labels) == len(vectors)
    numbers = np.issubdtype(vectors.dtype, np.floating) and bool(np.isfinite(vectors).all())
    if labels.dtype.kind != "U" or not fits or not numbers:
        raise ValueError(f"bank: {file} must hold {FORM}, got {labels.shape} of {labels.dtype} and {vectors.shape}")
    return labels.tolist(), torch.from_numpy(vectors.astype(np.float32))


def take_vectors(file: str | Path, groups: Mapping[str, Sequence[str]]) -> tuple[Tensor, str]:
    """Return a bank's vectors (N, E), L2-normalized, for texts in their order, and how they were pooled.

    Args:
        file: the bank; the rows labeled with a group's name belong to its texts, one a text, in their order.
        groups: texts by the name of their organ or class.

    Raises:
        ValueError: as `read_bank`, and when a group has not one row a text.
    """
    labels, vectors = read_bank(file)
    taken = []
    for name, texts in groups.items():
        rows = [i for i, label in enumerate(labels) if label == name]
        if len(rows) != len(texts):
            raise ValueError(
                f"bank: {file} has {len(rows)} vectors labeled {name!r}, the texts file {len(texts)} texts"
            )
        taken += rows
    return F.normalize(vectors[taken], dim=1), "of the bank, L2-normalized"


def write_bank(output: str | Path, labels: Sequence[str], vectors: Tensor) -> None:
    """Write a bank in float16.

    Args:
        output: the .npz file.
        labels: N names of organs or classes; several rows may have one name.
        vectors: (N, E).

    Raises:
        ValueError: when a number is too large for float16.
    """
    halves = vectors.numpy().astype(np.float16)
    if not np.isfinite(halves).all():
        raise ValueError(f"bank: {output} would hold infinite numbers; float16 ends at 65504")
    with whole_file(output) as part, part.open("wb") as stream:
        np.savez(stream, labels=np.array(labels, dtype=np.str_), vectors=halves)
