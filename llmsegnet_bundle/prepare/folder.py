"""A public download made a folder of NIfTI scans with split files."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llmsegnet_bundle.cases import digest, from_file, make_split
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.parallel import cores, map_apart, map_cases
from llmsegnet_bundle.prepare.datasets import DataSet, data_set
from llmsegnet_bundle.prepare.download import fault, files_below
from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.prepare.record import Record
from llmsegnet_bundle.prepare.scan import CROPS, write_scan
from llmsegnet_bundle.prepare.summary import summary_lines
from llmsegnet_bundle.scans import PathLike

SUMMARY = "prepared.txt"
MB_PER_S = 10.0  # of source read and written by one process; measured: CT as DICOM 12, atria as NRRD 10
Outcome = dict[str, Any] | str  # what the record keeps of a scan, or why it failed
ENDED: Outcome = "its process was ended, perhaps for lack of memory; run this again with fewer workers"


def prepare(
    dataset: str,
    source: PathLike,
    output: PathLike,
    crop: str = "none",
    modality: str = "flair",
    whole_tumor: bool = True,
    workers: int | None = None,
) -> list[str]:
    """Write the scans of a public download as NIfTI, with a split file for each published list; docs/data.md.

    What is done is recorded in `prepared.json`: a second run does only what is new, changed, or failed before. With
    several workers, a script that calls this needs the usual `if __name__ == "__main__":`.

    Args:
        dataset: left_atrium, pancreas_ct or brats19.
        source: the folder of the download; scans are found anywhere below it, and no file elsewhere is read, whatever
            links and headers in it say.
        output: gets imagesTr, labelsTr, a split file for each preset, prepared.json and the summary prepared.txt.
        crop: "none" keeps scans whole; "body_box" cuts to the body; "label_box" cuts around the label with the margin
            of the papers' protocol, so that no figure on these scans is label-free.
        modality: of brats19: flair, t1, t1ce, t2, or all four, a file each.
        whole_tumor: of brats19: all tumor is class 1; False keeps the classes 1 to 3.
        workers: processes; None for one on each core.

    Returns:
        The lines of the summary.

    Raises:
        ValueError: when an option is wrong, nothing is found, the disk is too full, or, at the end, scans failed.

    Example:
        >>> prepare("left_atrium", "downloads/atria", "data/left_atrium")
    """
    source, output = Path(source), Path(output)
    data = data_set(dataset, modality, whole_tumor)
    if crop not in CROPS or (crop == "label_box" and data.label_margin_mm is None):
        able = [way for way in CROPS if way != "label_box" or data.label_margin_mm]
        raise ValueError(f"crop must be one of {', '.join(able)} for {dataset}, got {crop!r}")
    if not isinstance(whole_tumor, bool):
        raise ValueError(f"whole_tumor must be True or False, got {whole_tumor!r}")
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers must be a whole number of at least 1, got {workers!r}")
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file; give a folder for the prepared scans")
    files, left = files_below(source)
    found = data.find(files)
    if not found:
        told = "".join(f"failed: {folder}: {reason}\n" for folder, reason in sorted(left.items()))
        raise ValueError(f"{told}{source} holds no scan of {dataset} in a known layout; see docs/data.md, set source")
    sources, failed = _whole_ones(found, source)
    options = {"crop": crop, "modality": modality, "whole_tumor": whole_tumor}
    record = Record(output, options)
    todo = [one for one in sources if not record.is_done(one)]
    print(f"{dataset}: {len(found)} scans below {source}, {len(sources) - len(todo)} of them prepared before")
    if todo:
        _check_space(todo, output, workers or cores())
        failed |= _write_all(todo, data, crop, output, workers or cores(), record)
    failed |= _of_two_releases(record, data) | left
    lines = summary_lines(record.scans, data, crop)
    lines += _write_splits(record, data, anew=len(todo) > 0)
    text = "".join(f"{line}\n" for line in lines)
    if record.scans and (not (file := output / SUMMARY).is_file() or file.read_text(encoding="utf-8") != text):
        write_texts(output, {SUMMARY: text})
    print(text, end="")
    if failed:
        told = "\n".join(f"failed: {name}: {reason}" for name, reason in sorted(failed.items()))
        what = f"{len(failed) - len(left)} of {len(found)} scans failed"
        what += f", {len(left)} folders were not searched" if left else ""
        raise ValueError(f"{told}\n{what}; correct them and run this again")
    if not todo:
        print("nothing changed")
    return lines


def _whole_ones(found: Sequence[Source], source: Path) -> tuple[list[Source], dict[str, str]]:
    """Return the scans that are there once and whose files may be read, and the reason of each other."""
    by_name: dict[str, list[Source]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    unfit = {
        name: f"found as {ones[0].images[0]} and {ones[1].images[0]}; leave one of them below source"
        if len(ones) > 1
        else fault(ones[0], source)
        for name, ones in by_name.items()
    }
    unfit = {name: reason for name, reason in unfit.items() if reason}
    return [ones[0] for name, ones in sorted(by_name.items()) if name not in unfit], unfit


def _check_space(todo: Sequence[Source], output: Path, workers: int) -> None:
    """Say what is ahead. Sources are compressed or larger than what is written, so their size is the most it takes."""
    size = sum(Path(file).stat().st_size for one in todo for file in one.files().values())
    place = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    minutes = size / 1e6 / MB_PER_S / min(workers, len(todo)) / 60
    print(
        f"{len(todo)} scans to read, {size / 1e9:.2f} GB; as much or less to write, {free / 1e9:.1f} GB free; "
        f"about {max(1, round(minutes))} min with {workers} processes"
    )
    if free < size:
        raise ValueError(f"{place} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB may be needed; set output")


def _write_all(
    todo: Sequence[Source], data: DataSet, crop: str, output: Path, workers: int, record: Record
) -> dict[str, str]:
    """Write the scans, record each, and return the reason of each that failed."""
    for folder in ("imagesTr", "labelsTr"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    failed = {}
    for one, outcome in zip(todo, _outcomes(todo, data, crop, output, workers), strict=True):
        if isinstance(outcome, str):
            failed[one.name] = outcome
            tqdm.write(f"failed: {one.name}: {outcome}", file=sys.stderr)
        else:
            record.add(one, outcome)
    return failed


def _outcomes(todo: Sequence[Source], data: DataSet, crop: str, output: Path, workers: int) -> Iterator[Outcome]:
    """Yield what came of each scan, also where one ends the process that works on it."""
    work = partial(_try_scan, data=data, crop=crop, output=output)
    while todo:
        done = 0
        try:
            for outcome in map_cases(work, todo, workers, __name__):
                done += 1
                yield outcome
            return
        except BrokenProcessPool:  # by one of those that were worked on, or by the memory that all took together
            suspects, todo = todo[done : done + workers], todo[done + workers :]
            yield from map_apart(work, suspects, __name__, ENDED)


def _try_scan(one: Source, data: DataSet, crop: str, output: Path) -> Outcome:
    try:
        return write_scan(one, data, crop, output)
    except Exception as error:  # one bad scan, of whatever kind, never stops the others
        told = " ".join(str(error).split())
        return told if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {told}"


def _of_two_releases(record: Record, data: DataSet) -> dict[str, str]:
    """Return a reason where scans hold values that one release never holds together."""
    holders = {value: name for name, scan in record.scans.items() for value in scan.get("held", ())}
    if not data.never_both or len(holders) < len(data.never_both):
        return {}
    told = " and ".join(f"{value} is in {name}" for value, name in sorted(holders.items()))
    return dict.fromkeys(holders.values(), f"{told}, but releases differ in what these mean; leave one release out")


def _write_splits(record: Record, data: DataSet, anew: bool) -> list[str]:
    """Write the split file of each preset; return a line of each."""
    content = {
        str(record.output / "imagesTr" / f"{name}.nii.gz"): scan["content"] for name, scan in record.scans.items()
    }
    lines = []
    for name in data.presets:
        file = record.output / f"{name}.json"
        try:
            if anew or not file.is_file():
                with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # the summary tells it
                    make_split(record.output, file, preset=name, in_channels=data.channels, content=content)
            lists = from_file(file, record.output)
            counts = ", ".join(f"{len(items)} {part}" for part, items in lists.items())
            lines.append(f"{file.name}: {counts}, digest {digest(lists)}")
        except ValueError as error:
            file.unlink(missing_ok=True)  # of other scans than are there now
            lines.append(f"no split file {name}: {error}")
    return lines
