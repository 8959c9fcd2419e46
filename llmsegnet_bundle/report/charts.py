"""Plots of a run: its curves over the steps, and how the scores of its cases spread."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from llmsegnet_bundle.report.figures import BASELINE, RUN, new_axes
from llmsegnet_bundle.report.results import Curve

BINS = 200  # points of a drawn curve: more are not seen, and a long run would make a page of many MB


def curve_chart(title: str, curve: Curve, unit: str = "step") -> Figure:
    """Draw a term over the steps: the mean and the range of each bin of steps.

    Args:
        title: of the plot.
        curve: step -> value.
        unit: of the horizontal axis.
    """
    figure, axes = new_axes(3.5, 2.2, title)
    steps, values = np.fromiter(curve, float), np.fromiter(curve.values(), float)
    shown = np.isfinite(values)
    groups = np.array_split(np.flatnonzero(shown), min(BINS, max(int(shown.sum()), 1)))
    groups = [group for group in groups if group.size]
    if groups:
        x, mean = (np.array([array[group].mean() for group in groups]) for array in (steps, values))
        low, high = (np.array([edge(values[group]) for group in groups]) for edge in (np.min, np.max))
        axes.fill_between(x, low, high, color=RUN, alpha=0.18, linewidth=0)
        axes.plot(x, mean, color=RUN, linewidth=1.3, marker="o" if len(x) == 1 else None)
    axes.set_xlabel(unit, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def validation_chart(curves: dict[str, Curve], best_step: int | None, unit: str = "step") -> Figure:
    """Draw the validation Dice of this run, the first curve, and of others, with the selected step marked."""
    figure, axes = new_axes(5.6, 2.5)
    for index, (name, curve) in enumerate(curves.items()):
        color = BASELINE if index else RUN
        axes.plot(list(curve), list(curve.values()), color=color, linewidth=1.6, marker="o", markersize=3, label=name)
        if index == 0 and best_step in curve:
            best = (best_step, curve[best_step])
            axes.plot(*best, "o", color="none", markeredgecolor="#d9480f", markersize=10, label="selected weights")
    axes.set_xlabel(unit, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def spread_chart(measure: str, groups: dict[str, tuple[list[float], bool]]) -> Figure:
    """Draw the values of one measure: each case a dot, with box (quartiles) and median.

    Args:
        measure: title of the plot.
        groups: name -> (values, whether they are the baseline's).
    """
    figure, axes = new_axes(3.5, 2.5, measure)
    for place, (values, is_baseline) in enumerate(groups.values()):
        color = BASELINE if is_baseline else RUN
        if len(values) > 2:
            axes.boxplot(
                values,
                positions=[place],
                widths=0.5,
                showfliers=False,
                boxprops={"color": color},
                medianprops={"color": color, "linewidth": 2},
                whiskerprops={"color": color},
                capprops={"color": color},
            )
        # dots side by side, not at random: the same run gives the same picture
        aside = 0.16 * np.sin(2.4 * np.arange(len(values)))
        axes.plot(place + aside, values, "o", color=color, markersize=4, alpha=0.7, markeredgewidth=0)
    many = len(groups) > 3
    names = [name if len(name) <= 18 else name[:17] + "…" for name in groups]
    axes.set_xticks(range(len(groups)), names, rotation=35 if many else 0, ha="right" if many else "center")
    for text in axes.get_xticklabels():
        text.set_parse_math(False)
    axes.set_xlim(-0.6, max(len(groups), 2) - 0.4)
    return figure
