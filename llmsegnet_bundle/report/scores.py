"""What a report tells of the scores: summary, comparison, spread, and the cases that are pictured."""

import statistics
from pathlib import Path
from typing import Any

from llmsegnet_bundle.evaluation.comparison import SHOWN
from llmsegnet_bundle.report.cases import read_scored_case
from llmsegnet_bundle.report.charts import spread_chart
from llmsegnet_bundle.report.figures import png, svg
from llmsegnet_bundle.report.overlay import planes
from llmsegnet_bundle.report.pages import FLAGS, NOT_RECORDED
from llmsegnet_bundle.report.results import Results
from llmsegnet_bundle.report.viewer import PAGE_VOXELS, viewer_data
from llmsegnet_bundle.run import changed

HIGHER_IS_BETTER = ("dice", "jaccard")  # parts of the names of measures
LOWER_IS_BETTER = ("hd", "asd", "assd")  # beginnings of them


def summary(run: Results) -> dict[str, dict[str, Any]]:
    """Return, by class, the statistics of each measure, as `summary.json` has them, and what is counted."""
    told = {}
    for kind in run.classes:
        content = run.summary.get(kind)
        content = content if isinstance(content, dict) else {key: _statistics(run, key, kind) for key in run.measures}
        measures = {key: value for key, value in content.items() if isinstance(value, dict)}
        names = list(dict.fromkeys(name for value in measures.values() for name in value))
        told[kind] = {
            "counts": {key: value for key, value in content.items() if isinstance(value, int | float)},
            "columns": ["measure", *names],
            "rows": [[key, *(value.get(name) for name in names)] for key, value in measures.items()],
        }
    return told


def comparison(run: Results, baseline: Results) -> dict[str, Any]:
    """Return the paired differences to the baseline, over the cases that both have."""
    rows = []
    for kind in run.classes:
        for measure in (key for key in run.measures if key not in FLAGS):
            if pairs := pairs_of(run, baseline, measure, kind):
                means = [statistics.fmean(values) for values in zip(*pairs, strict=True)]
                rows.append([measure, kind, *means, means[0] - means[1], _better(measure, pairs), len(pairs)])
    method = (baseline.record.get("settings") or {}).get("method", NOT_RECORDED)
    columns = ["measure", "class", "this run", "baseline", "difference", "cases better", "cases"]
    before, now = ((one.record.get("identity") or {}).get("settings") or {} for one in (baseline, run))
    return {"method": method, "columns": columns, "rows": rows, "changed": changed(before, now) if before else []}


def pairs_of(run: Results, baseline: Results, measure: str, kind: str) -> list[tuple[float, float]]:
    """Return the values of both runs for the cases that both have."""
    mine, theirs = run.values(measure, kind), baseline.values(measure, kind)
    return [(mine[case], theirs[case]) for case in mine if case in theirs]


def spread(run: Results, baseline: Results | None) -> list[tuple[str, str]]:
    """Return a plot for each main measure, with its caption."""
    charts = []
    for measure in (key for key in SHOWN if key in run.measures):
        groups = {}
        for kind in run.classes:
            for name, source in (("this run", run), ("baseline", baseline)):
                values = list(source.values(measure, kind).values()) if source else []
                label = kind if baseline is None else name if len(run.classes) == 1 else f"{kind}, {name}"
                if values:
                    groups[label] = (values, source is baseline)
        if groups:
            charts.append((svg(spread_chart(measure, groups)), f"{measure} of all cases"))
    return charts


def pictured(run: Results, dataset_dir: str | Path | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the worst, the median and the best case with their pictures, and what the viewer shows of them."""
    ranked = run.ranked()
    chosen: dict[str, tuple[str, float]] = {}
    for word, place in (("worst", 0), ("best", -1), ("median", (len(ranked) - 1) // 2)):
        if ranked and ranked[place] not in chosen.values():
            chosen[word] = ranked[place]
    shown, volumes = [], []
    for word in (word for word in ("worst", "median", "best") if word in chosen):
        name, dice = chosen[word]
        told: dict[str, Any] = {"word": word, "name": name, "dice": dice, "fault": ""}
        try:
            case = read_scored_case(run, name, dataset_dir)
            drawn = planes(case.image, case.masks["label"], case.masks["prediction"], case.spacing_mm)
            told["planes"] = {plane: png(figure) for plane, figure in drawn.items()}
            volumes.append(viewer_data(f"{word}: {name}", case, PAGE_VOXELS // len(chosen), around=True))
        except ValueError as error:
            told["fault"] = str(error)
        shown.append(told)
    return shown, volumes


def _statistics(run: Results, measure: str, kind: str) -> dict[str, float | None]:
    values = list(run.values(measure, kind).values())
    if not values:
        return dict.fromkeys(("mean", "std", "median"))
    return {"mean": statistics.fmean(values), "std": statistics.pstdev(values), "median": statistics.median(values)}


def _better(measure: str, pairs: list[tuple[float, float]]) -> int | None:
    sign = 1 if any(part in measure for part in HIGHER_IS_BETTER) else -1 if measure.startswith(LOWER_IS_BETTER) else 0
    return sum(sign * (mine - theirs) > 0 for mine, theirs in pairs) if sign else None
