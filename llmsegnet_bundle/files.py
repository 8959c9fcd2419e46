"""Files that are there whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, made when missing; a failure leaves the old files and nothing half-written.

    Args:
        folder: gets the files.
        texts: file name -> content.

    Raises:
        ValueError: when folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for {' and '.join(texts)}")
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: folder / f".{name}.{os.getpid()}.tmp" for name in texts}
    try:
        for name, part in parts.items():
            part.write_text(texts[name], encoding="utf-8", newline="")
        for name, part in parts.items():
            os.replace(part, folder / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
