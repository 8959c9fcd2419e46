"""The sections about the scores of the cases: summary, comparison, table, spread, pictures."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from llmsegnet_bundle.report import page
from llmsegnet_bundle.report.cases import Case, read_case
from llmsegnet_bundle.report.charts import spread_chart
from llmsegnet_bundle.report.figures import LABEL, PREDICTION, png, svg
from llmsegnet_bundle.report.overlay import box, planes
from llmsegnet_bundle.report.run import Run
from llmsegnet_bundle.report.surface import (
    VIEWS,
    color_limit_mm,
    color_scale,
    render,
    signed_distance_mm,
    surface_figure,
)

FLAGS = ("missed", "false_alarm")  # 0 or 1: counted, not drawn
HIGHER_IS_BETTER = ("dice", "jaccard")  # parts of the names of measures
LOWER_IS_BETTER = ("hd", "asd", "assd")  # beginnings of them


def summary_section(run: Run) -> str:
    """Return, by class, the statistics of each measure, as `summary.json` has them."""
    parts = []
    for kind in run.classes:
        content = run.summary.get(kind)
        content = content if isinstance(content, dict) else {key: _statistics(run, key, kind) for key in run.measures}
        measures = {key: value for key, value in content.items() if isinstance(value, dict)}
        counts = {key: value for key, value in content.items() if isinstance(value, int | float)}
        columns = list(dict.fromkeys(name for value in measures.values() for name in value))
        parts.append(page.heading(kind))
        if counts:
            parts.append(page.note(", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in counts.items())))
        rows = [[key, *(_short(value.get(name)) for name in columns)] for key, value in measures.items()]
        if rows:
            parts.append(page.table(["measure", *columns], rows, by_row=True))
    return page.section("Scores", *([page.facts(run.evaluation)] if parts and run.evaluation else []), *parts)


def comparison_section(run: Run, baseline: Run) -> str:
    """Return the paired differences to the baseline, over the cases that both have."""
    rows: list[list[Any]] = []
    for kind in run.classes:
        for measure in (key for key in run.measures if key not in FLAGS):
            mine, theirs = run.values(measure, kind), baseline.values(measure, kind)
            pairs = [(mine[case], theirs[case]) for case in mine if case in theirs]
            if pairs:
                means = [statistics.fmean(values) for values in zip(*pairs, strict=True)]
                better = _better(measure, pairs)
                rows.append([kind, measure, *means, means[0] - means[1], better, len(pairs)])
    if not rows:
        return page.section("Compared with the baseline", page.note("the two runs share no scored case"))
    columns = ["class", "measure", "this run", "baseline", "difference", "cases better", "cases"]
    if len(run.classes) == 1:
        columns, rows = columns[1:], [row[1:] for row in rows]
    method = (baseline.record.get("settings") or {}).get("method", page.NOT_RECORDED)
    told = page.note(f"Baseline: {method}. Means over the cases that both runs scored, and the mean paired difference.")
    return page.section("Compared with the baseline", told, page.table(columns, rows, by_row=True))


def cases_section(run: Run) -> str:
    """Return the table of all cases, which sorts."""
    if not run.rows:
        return page.section("Cases")
    columns = ["case", "class", *run.measures]
    rows = [[row.get(column) for column in columns] for row in run.rows]
    return page.section("Cases", page.note("A click on a header sorts."), page.table(columns, rows, sortable=True))


def spread_section(run: Run, baseline: Run | None) -> str:
    """Return a plot for each measure."""
    charts = []
    for measure in (key for key in run.measures if key not in FLAGS):
        groups = {}
        for kind in run.classes:
            for name, source in (("this run", run), ("baseline", baseline)):
                values = list(source.values(measure, kind).values()) if source else []
                label = kind if baseline is None else name if len(run.classes) == 1 else f"{kind}, {name}"
                if values:
                    groups[label] = (values, source is baseline)
        if groups:
            charts.append((svg(spread_chart(measure, groups)), f"{measure} of all cases"))
    told = [page.note("A dot is a case, a box its quartiles with the median.")] if charts else []
    return page.section("Spread over the cases", *told, *([page.pictures(charts, "charts")] if charts else []))


def pictures_section(run: Run, dataset_dir: str | Path | None) -> str:
    """Return overlays and surfaces of the worst, the median and the best case."""
    ranked = run.ranked()
    chosen: dict[str, tuple[str, float]] = {}
    for word, place in (("worst", 0), ("best", -1), ("median", (len(ranked) - 1) // 2)):
        if ranked and ranked[place] not in chosen.values():
            chosen[word] = ranked[place]
    key = "".join(
        f'<span><i style="background:{color}"></i>{name}</span>'
        for color, name in ((LABEL, "label"), (PREDICTION, "prediction"))
    )
    parts = [f'<p class="key">{key}</p>'] if chosen else []
    for word in (word for word in ("worst", "median", "best") if word in chosen):
        name, dice = chosen[word]
        parts.append(page.heading(f"{word[0].upper()}{word[1:]} case: {name}, Dice {dice:.3f}"))
        try:
            parts += _pictures(read_case(run, name, dataset_dir))
        except ValueError as error:
            parts.append(page.note(f"{page.NOT_RECORDED}: {error}"))
    return page.section("Worst, median and best case", *parts)


def _pictures(case: Case) -> list[str]:
    parts = [page.pictures([(png(f), n) for n, f in planes(**vars(case)).items()], "planes")]
    pred, label = case.pred > 0, case.label > 0
    if not pred.any() or not label.any():
        return [*parts, page.note(f"No surfaces: the {'label' if pred.any() else 'prediction'} is empty.")]
    around = box(pred | label)
    pred, label = pred[around], label[around]
    limit_mm = color_limit_mm(pred, label, case.spacing_mm)
    sources = []
    # a label outside the prediction is what the prediction lacks: one color has one meaning on both surfaces
    for name, mask, other, sign in (("prediction", pred, label, 1), ("label", label, pred, -1)):
        error_mm = sign * signed_distance_mm(other, case.spacing_mm)
        for view in VIEWS:
            picture = render(mask, error_mm, case.spacing_mm, view, limit_mm)
            sources.append((png(surface_figure(picture)), f"{name} {view}"))
    scale = f'<div class="scale"><img src="{svg(color_scale(limit_mm))}" alt="distance error in mm"></div>'
    several = " All classes together." if len(np.unique(case.label)) > 2 else ""
    told = page.note(f"Surfaces, colored by their distance to the other one.{several}")
    return [*parts, told, scale, page.pictures(sources, "surfaces")]


def _statistics(run: Run, measure: str, kind: str) -> dict[str, float | None]:
    values = list(run.values(measure, kind).values())
    if not values:
        return dict.fromkeys(("mean", "std", "median"))
    return {"mean": statistics.fmean(values), "std": statistics.pstdev(values), "median": statistics.median(values)}


def _better(measure: str, pairs: list[tuple[float, float]]) -> int | None:
    sign = 1 if any(part in measure for part in HIGHER_IS_BETTER) else -1 if measure.startswith(LOWER_IS_BETTER) else 0
    return sum(sign * (mine - theirs) > 0 for mine, theirs in pairs) if sign else None


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return " to ".join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return value
