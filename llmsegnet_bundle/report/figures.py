"""Figures as text that a page holds within itself."""

import base64
import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

RUN, BASELINE, LABEL, PREDICTION = "#1f5fa8", "#9aa3ad", "#1db954", "#ff4d4d"


def new_axes(width: float, height: float, title: str = "") -> tuple[Figure, Axes]:
    """Return an empty plot of a size in inches, in the style of the report."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color="#888888", labelcolor="#444444")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=9.5, loc="left", parse_math=False)
    return figure, axes


def svg(figure: Figure) -> str:
    """Return a figure as a data URI of SVG, for plots."""
    return _uri(figure, "svg+xml", format="svg", metadata={"Date": None})


def png(figure: Figure, dpi: int = 110) -> str:
    """Return a figure as a data URI of PNG, for scans and surfaces."""
    return _uri(figure, "png", format="png", dpi=dpi)


def _uri(figure: Figure, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
