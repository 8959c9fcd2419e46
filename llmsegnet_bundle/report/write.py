"""A run folder -> one HTML file."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.report import page, record, scores
from llmsegnet_bundle.report.run import Run, read_run


def write_report(
    run_dir: str | Path,
    baseline: str | Path | None = None,
    dataset_dir: str | Path | None = None,
    output: str | Path | None = None,
) -> Path:
    """Write the report of a run, and return its file; what the run did not leave is shown as not recorded.

    Args:
        run_dir: the output_dir of a training and its evaluation.
        baseline: that of another run, to compare with; None for no comparison.
        dataset_dir: folder of imagesTr and labelsTr; None for the places that the training recorded.
        output: the file to write; None for `report.html` in the run folder.

    Raises:
        ValueError: when a folder is missing or no run, a file of it is unreadable, or `output` is one of them.

    Example:
        >>> write_report("runs/demo/train/eval", baseline="runs/demo/train_supervised/eval")
    """
    run, other = read_run(run_dir), None if baseline is None else read_run(baseline)
    if dataset_dir is not None and not Path(dataset_dir).is_dir():
        raise ValueError(f"{dataset_dir} is no folder; give as dataset_dir the folder of imagesTr and labelsTr")
    file = run.folder / "report.html" if output is None else Path(output)
    if file.is_dir():
        raise ValueError(f"{file} is a folder; give as output the HTML file to write")
    refuse_input(file, _read(run, other))
    settings = run.record.get("settings") or {}
    title = ", ".join([*run.classes, str(settings.get("method", "segmentation run"))])
    title = title[:1].upper() + title[1:]
    sessions = run.record.get("sessions") or [{}]
    ended = record.moment(sessions[-1].get("ended"))
    subtitle = f"{'/'.join(run.folder.resolve().parts[-2:])}, training ended: {ended}"
    body = [
        page.tiles(_figures(run, other)),
        scores.pictures_section(run, dataset_dir),
        scores.summary_section(run),
        *([scores.comparison_section(run, other)] if other else []),
        scores.spread_section(run, other),
        scores.cases_section(run),
        record.selection_section(run),
        record.curves_section(run, other),
        record.settings_section(run),
        record.split_section(run),
        record.text_section(run),
        record.time_section(run),
        record.versions_section(run),
    ]
    write_texts(file.parent, {file.name: page.page(title, subtitle, body)})
    return file


def _read(*runs: Run | None) -> Iterator[Path]:
    """Yield the files that a report is made of."""
    for run in filter(None, runs):
        yield from (file for file in run.folder.iterdir() if file.suffix != ".html")
        for items in (run.record.get("split") or {}).values():
            for item in items if isinstance(items, list) else ():
                yield from (Path(str(path)) for path in item.values())


def _figures(run: Run, other: Run | None) -> list[tuple[str, str, str]]:
    """Return the tiles at the top."""
    figures = []
    for kind in run.classes[:4]:
        dice = list(run.values("dice", kind).values())
        if dice:
            spread = f"± {statistics.pstdev(dice):.3f} over {len(dice)} cases"
            figures.append((f"mean Dice, {kind}", f"{statistics.fmean(dice):.3f}", spread))
        if other and (gain := [dice - other.values("dice", kind)[case] for case, dice in _shared(run, other, kind)]):
            figures.append(("against the baseline", f"{statistics.fmean(gain):+.3f}", "mean paired difference of Dice"))
    distance = next((key for key in run.measures if key.startswith("hd95") and key.endswith("_mm")), None)
    if distance and (values := [v for kind in run.classes for v in run.values(distance, kind).values()]):
        figures.append(("median HD95", f"{statistics.median(values):.1f} mm", f"{distance} of all cases and classes"))
    selection, split = run.record.get("selection"), run.record.get("split")
    if selection:
        value, step = selection.get("value", float("nan")), selection.get("step")
        rule = selection.get("rule", "best")
        figures.append(
            (f"{rule} validation Dice", f"{value:.3f}", f"at step {step} of {run.record.get('total_steps')}")
        )
    if split:
        counts = [str(len(split.get(key, ()))) for key in ("labeled", "unlabeled", "validation")]
        figures.append(("scans", " / ".join(counts), "labeled, unlabeled, validation"))
    if seconds := record.total_s(run):
        figures.append(("training time", record.duration(seconds), str(run.record["sessions"][-1].get("device"))))
    return figures or [("scores", page.NOT_RECORDED, "evaluate with the same output_dir")]


def _shared(run: Run, other: Run, kind: str) -> list[tuple[str, float]]:
    theirs = other.values("dice", kind)
    return [(case, dice) for case, dice in run.values("dice", kind).items() if case in theirs]
