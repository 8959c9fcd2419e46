"""The numbers of the runs of a variant, and against those of another."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from llmsegnet_bundle.ablation.run import TRAINING, Run
from llmsegnet_bundle.evaluation import Scores, paired, read_scores

DISTANCE = "hd95_pooled_mm"


class RunScores(NamedTuple):
    """What a finished run gave: `values` and `distances_mm` by case (mean of classes, nan apart), steps, hours."""

    seed: int
    values: dict[str, float]
    distances_mm: dict[str, float]
    steps: int | None
    hours: float


def run_scores(run: Run) -> RunScores:
    """Return the numbers of a finished run.

    Raises:
        ValueError: when its `metrics.csv` is damaged, or has other classes than its variant or not the plan's metric.
    """
    file = run.folder / "eval/metrics.csv"
    scores = read_scores(file)
    if lost := [kind for kind in run.variant.classes if kind not in scores]:
        raise ValueError(f"{file} lacks the class {lost[0]}; remove the file, and the run is evaluated again")
    if any(run.plan.metric not in measures for cases in scores.values() for measures in cases.values()):
        raise ValueError(f"{file} has no {run.plan.metric}; remove the file, and the run is evaluated again")
    values, distances = (_by_case(scores, run.variant.classes, key) for key in (run.plan.metric, DISTANCE))
    steps = run.training_record().get("total_steps")
    return RunScores(run.seed, values, distances, steps, run.seconds(TRAINING) / 3600)


def summary(runs: Sequence[RunScores]) -> dict[str, Any]:
    """Return mean over the cases of each run, then mean and standard deviation (n - 1; None of one) over the seeds."""
    means = [_mean(run.values.values()) for run in runs]
    return {
        "seeds": [run.seed for run in runs],
        "cases": max((len(run.values) for run in runs), default=0),
        "by_seed": means,
        "mean": _mean(means),
        "std": None if len(runs) < 2 or None in means else float(np.std(np.array(means, float), ddof=1)),
        "distance_mm": _mean(_mean(run.distances_mm.values()) for run in runs),
        "steps": max((run.steps for run in runs if run.steps is not None), default=None),
        "hours": _mean(run.hours for run in runs),
    }


def swap_test(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what each text of `handlers.SwapText` cost, the mean over the evaluations that tried it."""
    costs: dict[str, list[float]] = {}
    for record in records:
        for word, cost in record.get("swap_text", {}).items():
            costs.setdefault(word, []).append(cost)
    return {word: float(np.mean(values)) for word, values in costs.items()}


def dice_by_text(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the Dice of each organ with each text, the right one first, the mean over the evaluations."""
    tried: dict[str, dict[str, list[float]]] = {}
    for record in records:
        for text, organs in record.get("dice_by_text", {}).items():
            for organ, dice in organs.items():
                tried.setdefault(text, {}).setdefault(organ, []).append(dice)
    return {text: {organ: float(np.mean(values)) for organ, values in organs.items()} for text, organs in tried.items()}


def against(first: Sequence[RunScores], other: Sequence[RunScores]) -> dict[str, Any] | None:
    """Return how `other` differs from `first`: the mean over the seeds that both have, then paired by case.

    Returns:
        As `evaluation.paired`, with the `seeds`; None without a common seed, or when other cases were scored.
    """
    seeds = [run.seed for run in first if run.seed in {run.seed for run in other}]
    if not seeds:
        return None
    a, b = ([run.values for run in runs if run.seed in seeds] for runs in (first, other))
    if any(values.keys() != a[0].keys() for values in (*a, *b)):
        return None
    pairs = [[float(np.mean([values[case] for values in side])) for case in a[0]] for side in (a, b)]
    return {"seeds": seeds, **paired(pairs)}


def _by_case(scores: Scores, classes: Sequence[str], key: str) -> dict[str, float]:
    kinds: list[Mapping[str, Mapping[str, float]]] = [scores[kind] for kind in classes]
    counted = {case: [kind[case][key] for kind in kinds if case in kind and key in kind[case]] for case in kinds[0]}
    return {case: float("nan") if (mean := _mean(values)) is None else mean for case, values in counted.items()}


def _mean(values: Any) -> float | None:
    counted = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(counted)) if counted else None
