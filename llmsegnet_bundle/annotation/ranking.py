"""Whether a doubt ranks scans by their real error: rank correlations, and the error of what would be picked first."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from llmsegnet_bundle.inference.doubts import DOUBTS

RESAMPLES = 10_000
PICKED = (5, 10, 20)  # scans
CONTROL = "small label"  # what it would be to rank by size, had one the labels
Rows = Sequence[Mapping[str, str]]  # of doubt.csv: case, part, dice, label_ml and each of `DOUBTS`


def correlation(doubt: Sequence[float], error: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Return Spearman's rank correlation, and the ends of its 95 % percentile bootstrap interval over the scans."""
    count = len(doubt)
    drawn = np.vstack([np.arange(count), np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))])
    ranks = [rankdata(np.asarray(values)[drawn], axis=1) - (count + 1) / 2 for values in (doubt, error)]  # (R + 1, N)
    shared, own, other = ((one * two).sum(axis=1) for one, two in (ranks, [ranks[0]] * 2, [ranks[1]] * 2))
    with np.errstate(invalid="ignore"):  # of a draw of one scan alone
        found = shared / np.sqrt(own * other)
    low, high = np.nanpercentile(found[1:], (2.5, 97.5))
    return float(found[0]), float(low), float(high)


def picked_error(doubt: Sequence[float], error: Sequence[float], count: int) -> float:
    """Return the mean error of the scans with the largest doubt."""
    first = np.argsort(-np.asarray(doubt), kind="stable")[:count]
    return float(np.asarray(error)[first].mean())


def random_errors(error: Sequence[float], count: int, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean error of `count` scans picked at random, and between which values 95 % of such picks lie."""
    generator = np.random.default_rng(seed)
    means = [generator.choice(error, count, replace=False).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(np.mean(error)), float(low), float(high)


def describe(rows: Rows) -> list[str]:
    """Return the tables of a study, in Markdown."""
    parts = {part: [row for row in rows if row["part"] == part] for part in dict.fromkeys(row["part"] for row in rows)}
    groups = {"all": list(rows), **parts}
    names = [f"{name} ({len(group)} scans)" for name, group in groups.items()]
    lines = ["## Rank correlation with 1 - Dice", "", *_head("doubt", names)]
    for name in (*DOUBTS, CONTROL):
        found = [correlation(_column(group, name), _errors(group)) for group in groups.values()]
        told = [f"{rho:.2f} [{low:.2f}, {high:.2f}]" for rho, low, high in found]
        lines.append(f"| {name} | {' | '.join(told)} |")
    counts = [count for count in PICKED if count < len(rows)]
    error = _errors(rows)
    lines += ["", "## Error of the scans picked first", ""]
    lines += _head("picked by", [f"{count} scans" for count in counts])
    lines.append(_row("the error itself", [picked_error(error, error, n) for n in counts]))
    lines += [_row(name, [picked_error(_column(rows, name), error, n) for n in counts]) for name in (*DOUBTS, CONTROL)]
    chance = [random_errors(error, n) for n in counts]
    lines.append(f"| random | {' | '.join(f'{mean:.3f} [{low:.3f}, {high:.3f}]' for mean, low, high in chance)} |")
    return lines


def _head(first: str, names: Sequence[str]) -> list[str]:
    return [f"| {first} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]


def _row(name: str, values: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |"


def _column(rows: Rows, name: str) -> list[float]:
    return [-float(row["label_ml"]) if name == CONTROL else float(row[name]) for row in rows]


def _errors(rows: Rows) -> list[float]:
    return [1 - float(row["dice"]) for row in rows]
