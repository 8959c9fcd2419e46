"""Scan after scan: what is done is skipped, one that fails does not stop the others."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai.data import Dataset, list_data_collate
from monai.engines import Evaluator
from monai.transforms import Compose
from tqdm import tqdm

from llmsegnet_bundle.cases import item_files
from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.files import CannotWrite, refuse_input
from llmsegnet_bundle.inference.beside import Saves, read_ahead
from llmsegnet_bundle.locks import locked
from llmsegnet_bundle.scans import case_name
from llmsegnet_bundle.scans.writing import case_file

SCAN_FOLDERS = ("imagesTr", "imagesTs")  # what lies there counts as scans


def segment_scans(
    evaluator: Evaluator,
    dataset: Dataset,
    output_dir: str | Path,
    postfixes: Sequence[str],
    model_file: str | Path,
    overwrite: bool = False,
    show_progress: bool = True,
    postprocessing: Compose | None = None,
    beside: bool = False,
) -> None:
    """Run `evaluator` on each scan of `dataset` in turn.

    Args:
        evaluator: its postprocessing saves the maps.
        dataset: items with an image, and their preprocessing.
        output_dir: where the maps are saved by `SaveCased`.
        postfixes: of the maps that a scan gets; one with all of them is done.
        model_file: the weights; how many of the maps that are there are older is told.
        overwrite: segment what is done again.
        show_progress: draw a bar.
        postprocessing: that of the evaluator, for `beside`.
        beside: read the next scan and write the maps of the one before while the network answers.

    Raises:
        ValueError: when `output_dir` is where several scans are or a data set has its scans, or at the end, with a line
            for each scan that failed.
    """
    output = Path(output_dir)
    files = [item_files(item)[0] for item in dataset.data]
    names = [item.get("name") or case_name(item["image"]) for item in dataset.data]
    kept_apart = len(names) > 1 or output.resolve().name in SCAN_FOLDERS
    here = [i for i in range(len(names)) if kept_apart and Path(files[i]).resolve().parent == output.resolve()]
    endings = tuple(case_file("", "", postfix).name for postfix in postfixes)
    maps = {i for i in here if files[i].endswith(endings)}  # of a run before
    if set(here) - maps:
        raise ValueError(f"output_dir: {output_dir} holds the scans; give another, as masks there would count as scans")
    scans = [i for i in range(len(names)) if i not in maps]
    outputs = {i: [case_file(output_dir, names[i], postfix) for postfix in postfixes] for i in scans}
    done = {i for i in scans if not overwrite and all(file.is_file() for file in outputs[i])}
    todo = [i for i in scans if i not in done]
    if done:
        older = sum(_older(outputs[i], Path(model_file)) for i in done)
        told = f", {older} of them before {model_file} was written" if older else ""
        print(f"{len(done)} of {len(scans)} scans are done in {output_dir}{told}; --overwrite True repeats them")
    evaluator.logger.disabled = True  # it would tell each failure too, in two lines of its own
    evaluator.state.epoch_length = 1
    evaluator.interrupt_resume_enabled = False  # with it, ignite does nothing at the first run after one that failed
    if todo:
        for i in todo:
            for file in outputs[i]:
                refuse_input(file, item_files(dataset.data[i]))
        with locked(output_dir, "inference", "output_dir"):
            _segment_each(evaluator, dataset, todo, show_progress, postprocessing or Compose(), beside)


def _older(files: Sequence[Path], than: Path) -> bool:
    return than.is_file() and any(file.stat().st_mtime < than.stat().st_mtime for file in files)


def _segment_each(
    evaluator: Evaluator,
    dataset: Dataset,
    todo: Sequence[int],
    show_progress: bool,
    postprocessing: Compose,
    beside: bool,
) -> None:
    failed: list[str] = []

    def tell(scan: int, error: Exception) -> None:
        cause = _cause(error)
        if isinstance(cause, CannotWrite):
            raise cause from None
        file = item_files(dataset.data[scan])[0]
        reason = told_in_one_line(error) or " ".join(str(cause).split())[:300] or type(cause).__name__
        failed.append(reason if reason.startswith(file) else f"{file}: {reason}")
        tqdm.write(f"failed: {failed[-1]}", file=sys.stderr)

    written: Callable[[], Any] | None = None  # waits for the maps of the scan before
    bar = tqdm(todo, unit="scan", disable=None if show_progress else True, dynamic_ncols=True)
    with Saves(postprocessing, beside) as saves:
        for place, (i, read) in enumerate(zip(bar, read_ahead(dataset, todo, beside), strict=True)):
            fault = None
            try:
                evaluator.data_loader = [list_data_collate([read()])]
                evaluator.run()
            except Exception as error:  # of a reader, a transform or the network: whatever ails this scan
                fault = error
            _settle(written, todo[place - 1], tell)
            written = saves.of_this_scan()
            if fault:
                tell(i, fault)
                written = None
        _settle(written, todo[-1], tell)
    if failed:
        raise ValueError("\n".join([f"{len(failed)} of {len(todo)} scans failed:", *failed]))


def _settle(written: Callable[[], Any] | None, scan: int, tell: Callable[[int, Exception], None]) -> None:
    try:
        if written:
            written()
    except Exception as error:
        tell(scan, error)


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:  # MONAI wraps what a transform raises
        error = error.__cause__
    return error
