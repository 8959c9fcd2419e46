"""Plots of few, many and missing values are drawn without a warning."""

import math

import numpy as np
import pytest

from llmsegnet_bundle.report.charts import BINS, curve_chart, spread_chart, validation_chart
from llmsegnet_bundle.report.figures import svg


@pytest.mark.parametrize("curve", [{}, {1: 0.5}, {1: math.nan, 2: 1.0}, {step: math.sin(step) for step in range(5000)}])
def test_curve_is_drawn_in_few_points(curve):
    figure = curve_chart("a $x_ term", curve)
    (axes,) = figure.axes
    assert all(len(line.get_xdata()) <= BINS for line in axes.lines)
    assert svg(figure).startswith("data:image/svg+xml;base64,")


def test_curve_is_the_mean_of_nearby_steps():
    (line,) = curve_chart("loss", {step: float(step % 2) for step in range(4 * BINS)}).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), 0.5)


def test_selected_step_is_marked():
    figure = validation_chart({"this run": {10: 0.5, 20: 0.6}, "baseline": {10: 0.4}}, best_step=20)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "this run",
        "selected weights",
        "baseline",
    ]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_spread_shows_every_value(count):
    values = [0.1 * index for index in range(count)]
    figure = spread_chart("dice", {"a very long class name $x": (values, False), "b": (values, True)})
    dots = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, [values, values])
    svg(figure)
