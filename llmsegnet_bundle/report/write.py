"""A run folder -> one HTML file."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.report import scores, training
from llmsegnet_bundle.report.pages import NOT_RECORDED, duration, moment, render
from llmsegnet_bundle.report.results import Results, read_results


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
    run, other = read_results(run_dir), None if baseline is None else read_results(baseline)
    if dataset_dir is not None and not Path(dataset_dir).is_dir():
        raise ValueError(f"{dataset_dir} is no folder; give as dataset_dir the folder of imagesTr and labelsTr")
    file = run.folder / "report.html" if output is None else Path(output)
    if file.is_dir():
        raise ValueError(f"{file} is a folder; give as output the HTML file to write")
    refuse_input(file, _read(run, other))
    record = run.record
    title = ", ".join([*run.classes, str((record.get("settings") or {}).get("method", "segmentation run"))])
    ended = moment((record.get("sessions") or [{}])[-1].get("ended"))
    shown, cases = scores.pictured(run, dataset_dir)
    measures = ["case", "class", *run.measures]
    page = render(
        "report.html",
        title=title[:1].upper() + title[1:],
        subtitle=f"{'/'.join(run.folder.resolve().parts[-2:])}, training ended: {ended}",
        shown=shown,
        cases=cases,
        figures=_figures(run, other),
        evaluation=run.evaluation,
        summary=scores.summary(run),
        comparison=None if other is None else scores.comparison(run, other),
        spread=scores.spread(run, other),
        measures=measures,
        rows=[[row.get(name) for name in measures] for row in run.rows],
        curves=training.curves(run, other),
        split=training.split(run),
        text=training.text(run),
        sessions=training.sessions(run),
        total_steps=record.get("total_steps"),
        **{name: record.get(name) or {} for name in ("selection", "settings", "versions")},
    )
    write_texts(file.parent, {file.name: page})
    return file


def _read(*runs: Results | None) -> Iterator[Path]:
    """Yield the files that a report is made of."""
    for run in filter(None, runs):
        yield from (file for file in run.folder.iterdir() if file.suffix != ".html")
        for items in (run.record.get("split") or {}).values():
            for item in items if isinstance(items, list) else ():
                yield from (Path(str(path)) for path in item.values())


def _figures(run: Results, other: Results | None) -> list[tuple[str, str, str]]:
    """Return the six numbers that matter, less those that are not there: name, value, explanation."""
    ranked = run.ranked()
    dice = [value for _, value in ranked]
    distance = next((key for key in run.measures if key.startswith("hd95") and key.endswith("_mm")), "")
    distances = [value for kind in run.classes for value in run.values(distance, kind).values()]
    pairs = [scores.pairs_of(run, other, "dice", kind) for kind in run.classes if other]
    gains = [mine - theirs for group in pairs for mine, theirs in group]
    selection, split = run.record.get("selection"), training.split(run)
    seconds = sum(session.get("duration_s", 0.0) for session in run.record.get("sessions") or ())
    several = f", {len(run.classes)} classes" if len(run.classes) > 1 else ""
    figures = []
    if dice:
        told = f"± {statistics.pstdev(dice):.3f} over {len(dice)} cases{several}"
        figures.append(("mean Dice", f"{statistics.fmean(dice):.3f}", told))
        figures.append(("worst case", f"{dice[0]:.3f}", f"Dice of {ranked[0][0]}"))
    if distances:
        figures.append(("median HD95", f"{statistics.median(distances):.1f} mm", f"{distance} of all cases{several}"))
    if gains:
        figures.append(("against the baseline", f"{statistics.fmean(gains):+.3f}", "mean paired difference of Dice"))
    elif selection:
        told = f"at step {selection.get('step')} of {run.record.get('total_steps')}"
        rule = selection.get("rule", "best")
        figures.append((f"{rule} validation Dice", f"{selection.get('value', float('nan')):.3f}", told))
    if split:
        counts = [str(len(split.get(key, ()))) for key in ("labeled", "unlabeled", "validation")]
        figures.append(("scans", " / ".join(counts), "labeled, unlabeled, validation"))
    if seconds:
        figures.append(("training time", duration(seconds), str(run.record["sessions"][-1].get("device"))))
    return figures or [("scores", NOT_RECORDED, "evaluate with the same output_dir")]
