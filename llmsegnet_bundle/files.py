"""Files that are written whole or not at all."""

import datetime
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml


class CannotWrite(ValueError):
    """The system does not let a place be written: what else is written there would fail alike."""


@contextmanager
def whole_file(file: str | Path) -> Iterator[Path]:
    """Give a hidden path beside `file` to write to; it takes the file's place at the end, or is removed on an error.

    What was written is on the disk before it is renamed, so that a crash leaves the old file or the new one.

    Args:
        file: its folder is made when missing.

    Raises:
        CannotWrite: when the system does not let it be written, with the system's reason.

    Example:
        >>> with whole_file("runs/model.pt") as part:
        ...     torch.save(weights, part)
    """
    file = Path(file)
    part = part_of(file)
    try:
        with writing_to(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            _remove_strays(file)
            yield part
            _sync(part)
            part.replace(file)
            _sync(file.parent)
    finally:
        with suppress(OSError):  # of a folder that is none
            part.unlink(missing_ok=True)


@contextmanager
def writing_to(place: str | Path) -> Iterator[None]:
    """Turn what the system says while a place is written to into one line.

    Raises:
        CannotWrite: with the system's reason.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter of torch
        reason = system_reason(error)
        if reason is None:
            raise
        raise CannotWrite(f"{place} cannot be written ({reason}); free space, or give another place") from None


def part_of(file: Path) -> Path:
    """Return the hidden name beside `file` under which this process writes it."""
    return file.with_name(f".{os.getpid()}.{file.name}")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give the hidden name beside `folder` of a folder to make; it takes the folder's place at the end, or is removed.

    Args:
        folder: must not be there at the end; what a process that was killed left half-made of it goes at the start.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def link_file(source: Path, file: Path) -> None:
    """Let `file` be `source` under a second name, or a copy of it in a file system without links; whole or not at all.

    Raises:
        ValueError: as `whole_file`.
    """
    part = part_of(file)
    with writing_to(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_strays(file)
        part.unlink(missing_ok=True)
        try:
            os.link(source.resolve(), part)
            part.replace(file)
        except OSError:
            with whole_file(file) as copy:
                shutil.copyfile(source, copy)
        finally:
            part.unlink(missing_ok=True)  # two names of one file: POSIX renames nothing then


def refuse_input(output: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise ValueError when `output` is a file that is read, by whatever name: links of both kinds are looked through.

    Args:
        output: that will be written.
        inputs: files, or folders of a DICOM series; None and what does not exist, as names in place of a list's file,
            count for nothing.
    """
    if not os.path.isfile(output):
        return
    for one in (str(path) for path in inputs if path):
        for file in Path(one).iterdir() if os.path.isdir(one) else [Path(one)]:
            if os.path.isfile(file) and os.path.samefile(output, file):
                raise ValueError(f"{output} is {file}, which is read; give another place to write to")


def moment() -> str:
    """Return the time as a part of a file name."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")


def _remove_strays(file: Path) -> None:
    """Remove what processes that are no more left half-written of `file`."""
    for stray in file.parent.glob(f".*.{glob.escape(file.name)}"):
        number = stray.name.removesuffix(f".{file.name}")[1:]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            with suppress(OSError):
                stray.unlink()


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # it has no such thing
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def system_reason(error: BaseException | None) -> str | None:
    """Return what the system said, also where a library raised an error of its own after it."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        if isinstance(error, shutil.Error):  # of many files, each with a reason such as "[Errno 28] No space left: 'a'"
            return re.sub(r"\[Errno \d+\] |:.*", "", str(error.args[0][0][-1]))
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
