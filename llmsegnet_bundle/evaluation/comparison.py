"""Two runs on the same cases, paired."""

import csv
import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from llmsegnet_bundle.documents import SUMMARY_JSON, read_json
from llmsegnet_bundle.files import refuse_input, write_texts
from llmsegnet_bundle.metrics import MEASURES, interval_95
from llmsegnet_bundle.scans import PathLike

Scores = dict[str, dict[str, dict[str, float]]]  # class -> case -> measure -> value
SHOWN = ("dice", "jaccard", "hd95_pooled_mm", "hd95_strict_mm", "asd_mm", "assd_mm", "surface_dice")
SETTINGS = ("preset", "tolerance_mm")


def compare(a: PathLike, b: PathLike, output: PathLike | None = None) -> dict[str, dict[str, Any]]:
    """Compare two runs case by case, print the main measures as a table, and write all of them as JSON.

    Args:
        a: folder of `evaluate` or of a bundle's evaluation, or its `metrics.csv`.
        b: the same.
        output: the JSON file; None for none.

    Returns:
        By class and measure: `n` cases where both are numbers, `mean_a`, `mean_b`, `difference` (mean of b - a) with
        its bootstrap `interval_95`, `p` of Wilcoxon's two-sided signed-rank test, and in how many cases b is `higher`
        and `lower`. docs/metrics.md has the details.

    Raises:
        ValueError: when a file is no such table, the cases or classes differ, or the runs were scored by other rules.

    Example:
        >>> compare("runs/supervised/eval", "runs/pair/eval", "runs/comparison.json")["left atrium"]["dice"]["p"]
    """
    first, second = (Path(path) / "metrics.csv" if Path(path).is_dir() else Path(path) for path in (a, b))
    target = None if output is None else Path(output)
    if target is not None and target.is_dir():
        raise ValueError(f"{target} is a folder; give the name of the JSON file to write")
    if target is not None:
        refuse_input(target, [part for file in (first, second) for part in (file, file.with_name("summary.json"))])
    scores_a, scores_b = read_scores(first), read_scores(second)
    _check_settings(first, second)
    _check_same(scores_a, scores_b, first, second, "class")
    result: dict[str, dict[str, Any]] = {}
    for kind, cases in scores_a.items():
        _check_same(cases, scores_b[kind], first, second, f"case of {kind}")
        result[kind] = {
            key: paired([[scores[kind][case][key] for case in cases] for scores in (scores_a, scores_b)])
            for key in MEASURES
            if all(key in values for scores in (scores_a, scores_b) for values in scores[kind].values())
        }
    _print(result, first, second)
    if target is not None:
        text = json.dumps({"a": str(first), "b": str(second), "classes": result}, indent=2, allow_nan=False) + "\n"
        write_texts(target.parent, {target.name: text})
    return result


def read_scores(file: Path) -> Scores:
    """Return the content of a `metrics.csv`.

    Raises:
        ValueError: when it cannot be read, is no such table, or has a case twice or something else than numbers.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} cannot be read ({error}); give a folder with the metrics.csv of evaluate") from None
    if not rows or not {"case", "class", "dice"} <= set(rows[0]):
        raise ValueError(f"{file} is no metrics.csv with cases; make it by evaluate")
    scores: Scores = {}
    for row in rows:
        case, kind = row["case"], row["class"]
        if case in scores.setdefault(kind, {}):
            raise ValueError(f"{file} has the case {case} of {kind} twice; make it again by evaluate")
        try:
            scores[kind][case] = {key: float(row[key]) for key in MEASURES if key in row}
        except (TypeError, ValueError):
            raise ValueError(f"{file} has something else than numbers for {case}; make it again by evaluate") from None
    return scores


def _check_settings(first: Path, second: Path) -> None:
    """Refuse runs whose summaries, where both have one, tell of other rules."""
    files = [file.with_name("summary.json") for file in (first, second)]
    if not all(file.is_file() for file in files):
        return
    told = [next(iter(read_json(file, "make it again by evaluate", SUMMARY_JSON).values()), None) for file in files]
    settings = [{key: entry[key] for key in SETTINGS if key in entry} for entry in told if entry]
    if len(settings) < 2:
        raise ValueError(f"{files[0]} or {files[1]} is no summary of evaluate; make it again")
    for key in settings[0].keys() & settings[1].keys():
        if settings[0][key] != settings[1][key]:
            values = f"{settings[0][key]} in {files[0]} and {settings[1][key]} in {files[1]}"
            raise ValueError(f"{key} is {values}; evaluate both in one way")


def _check_same(in_a: dict[str, Any], in_b: dict[str, Any], first: Path, second: Path, what: str) -> None:
    for here, there, lacking in ((in_a, in_b, second), (in_b, in_a, first)):
        if alone := [name for name in here if name not in there]:
            raise ValueError(f"{lacking} lacks the {what} {alone[0]}; evaluate both runs on the same")


def paired(values: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the entry of `compare` for the values of a and those of b, in one order; pairs with nan are left out."""
    pairs = np.array(values).T  # (cases, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        return {"n": 0} | dict.fromkeys(("mean_a", "mean_b", "difference", "interval_95", "p", "higher", "lower"))
    difference = pairs[:, 1] - pairs[:, 0]
    interval = interval_95(difference.tolist())
    return {
        "n": len(pairs),
        "mean_a": float(pairs[:, 0].mean()),
        "mean_b": float(pairs[:, 1].mean()),
        "difference": float(difference.mean()),
        "interval_95": None if interval is None else list(interval),
        "p": _wilcoxon(difference),
        "higher": int((difference > 0).sum()),
        "lower": int((difference < 0).sum()),
    }


def _wilcoxon(difference: np.ndarray) -> float:
    if not difference.any():
        return 1.0  # SciPy gives nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few cases: the table shows their number
        p = float(stats.wilcoxon(difference).pvalue)
    return 1.0 if math.isnan(p) else p


def _print(result: dict[str, dict[str, Any]], first: Path, second: Path) -> None:
    print(f"a: {first}\nb: {second}")
    for kind, measures in result.items():
        print(f"{kind:24}{'cases':>6}{'mean a':>10}{'mean b':>10}{'b - a':>10}{'95 % interval':>22}{'p':>9}")
        for key in (key for key in SHOWN if key in measures):
            entry = measures[key]
            if not entry["n"]:
                print(f"  {key:22}{0:6}")
                continue
            interval = "-" if entry["interval_95"] is None else "{:+.4f} to {:+.4f}".format(*entry["interval_95"])
            means = f"{entry['mean_a']:10.4f}{entry['mean_b']:10.4f}{entry['difference']:+10.4f}"
            print(f"  {key:22}{entry['n']:6}{means}{interval:>22}{entry['p']:9.2g}")
