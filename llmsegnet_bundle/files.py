"""Files that are written whole or not at all."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml


@contextmanager
def whole_file(file: str | Path) -> Iterator[Path]:
    """Give a hidden path beside `file` to write to; it takes the file's place at the end, or is removed on an error.

    What was written is on the disk before it is renamed, so that a crash leaves the old file or the new one.

    Args:
        file: its folder is made when missing.

    Raises:
        ValueError: when the system does not let it be written, with the system's reason.

    Example:
        >>> with whole_file("runs/model.pt") as part:
        ...     torch.save(weights, part)
    """
    file = Path(file)
    part = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        part.replace(file)
        _sync(file.parent)
    except Exception as error:
        reason = _system_reason(error) if isinstance(error, OSError | RuntimeError) else None  # torch raises the latter
        if reason is None:
            raise
        raise ValueError(f"{file} cannot be written ({reason}); free space, or give another place") from None
    finally:
        with suppress(OSError):  # of a folder that is none
            part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # it has no such thing
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _system_reason(error: BaseException | None) -> str | None:
    """Return what the system said, also where a library raised an error of its own after it."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return None


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, made when missing; a failure leaves the old files and nothing half-written.

    Args:
        folder: gets the files.
        texts: file name -> content.

    Raises:
        ValueError: when folder is a file, or as `whole_file`.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for {' and '.join(texts)}")
    with ExitStack() as files:
        parts = {name: files.enter_context(whole_file(folder / name)) for name in texts}
        for name, part in parts.items():
            part.write_text(texts[name], encoding="utf-8", newline="")


def file_sha256(file: str | Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def as_yaml(content: Mapping[str, Any]) -> str:
    """Return content as YAML, in its order, small lists on one line."""
    return yaml.dump(dict(content), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)


class _PlainDumper(yaml.SafeDumper):
    """Writes lists of numbers and words on one line, and a list twice where it is meant twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        short = all(not isinstance(value, list | dict) and len(str(value)) < 40 for value in sequence)
        return super().represent_sequence(tag, sequence, short)
