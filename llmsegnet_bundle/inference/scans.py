"""Scan after scan: what is done is skipped, one that fails does not stop the others."""

import sys
from collections.abc import Sequence
from pathlib import Path

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator
from torch.utils.data import Subset
from tqdm import tqdm

from llmsegnet_bundle.cases import item_files
from llmsegnet_bundle.scans import case_name
from llmsegnet_bundle.scans.writing import case_file


def segment_scans(
    evaluator: Evaluator,
    dataset: Dataset,
    output_dir: str | Path,
    postfixes: Sequence[str],
    overwrite: bool = False,
    show_progress: bool = True,
) -> None:
    """Run `evaluator` on each scan of `dataset` in turn.

    Args:
        evaluator: its postprocessing saves the maps.
        dataset: items with an image, and their preprocessing.
        output_dir: where the maps are saved by `SaveCased`.
        postfixes: of the maps that a scan gets; one with all of them is done.
        overwrite: segment what is done again.
        show_progress: draw a bar.

    Raises:
        ValueError: when `output_dir` is where several scans are, or at the end, with a line for each scan that failed.
    """
    output = Path(output_dir)
    files = [item_files(item)[0] for item in dataset.data]
    names = [item.get("name") or case_name(item["image"]) for item in dataset.data]
    here = [i for i in range(len(names)) if len(names) > 1 and Path(files[i]).resolve().parent == output.resolve()]
    endings = tuple(case_file("", "", postfix).name for postfix in postfixes)
    maps = {i for i in here if files[i].endswith(endings)}  # of a run before
    if set(here) - maps:
        raise ValueError(f"output_dir: {output_dir} holds the scans; give another, as masks there would count as scans")
    done = [all(case_file(output_dir, name, postfix).is_file() for postfix in postfixes) for name in names]
    todo = [i for i in range(len(names)) if i not in maps and (overwrite or not done[i])]
    scans = len(names) - len(maps)
    if len(todo) < scans:
        print(f"{scans - len(todo)} of {scans} scans are done in {output_dir}; --overwrite True repeats them")
    failed = []
    evaluator.logger.disabled = True  # it would tell each failure too, in two lines of its own
    evaluator.state.epoch_length = 1
    evaluator.interrupt_resume_enabled = False  # with it, ignite does nothing at the first run after one that failed
    for i in tqdm(todo, unit="scan", disable=None if show_progress else True, dynamic_ncols=True):
        evaluator.data_loader = DataLoader(Subset(dataset, [i]), batch_size=1)
        try:
            evaluator.run()
        except Exception as error:  # of a reader, a transform or the network: whatever ails this scan
            reason = _reason(error)
            failed.append(reason if reason.startswith(files[i]) else f"{files[i]}: {reason}")
            tqdm.write(f"failed: {failed[-1]}", file=sys.stderr)
    if failed:
        raise ValueError("\n".join([f"{len(failed)} of {len(todo)} scans failed:", *failed]))


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:  # MONAI wraps what a transform raises
        error = error.__cause__
    return " ".join(str(error).split())[:300] or type(error).__name__
