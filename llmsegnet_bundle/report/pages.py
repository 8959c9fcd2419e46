"""Pages from templates: all text is escaped there, and nothing is loaded from elsewhere."""

import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

FLAGS = ("missed", "false_alarm")  # 0 or 1: counted, not drawn
NOT_RECORDED = "not recorded"
MISSING = "\N{EN DASH}"


def render(template: str, **content: Any) -> str:
    """Return a page.

    Args:
        template: file of this folder.
        content: what it shows.
    """
    return _environment().get_template(template).render(**content)


def number(value: Any, measure: str = "") -> str:
    """Return a value as a table shows it: its decimals follow from the measure, None and nan are a dash."""
    if isinstance(value, list):
        return " to ".join(number(part, measure) for part in value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    if not isinstance(value, float):
        return str(value)
    in_units = measure.endswith(("_mm", "_voxel", "_ml")) or "_ml_" in measure
    return f"{value:.{0 if measure in FLAGS else 2 if in_units else 3}f}"


def plain(value: Any) -> str:
    """Return a value of any type in words."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(item)}" for key, item in value.items())
    return str(value)


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(text: str | None) -> str:
    """Return a moment of the record as a person writes it."""
    return (text or NOT_RECORDED).replace("T", " ").replace("+00:00", " UTC")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("llmsegnet_bundle", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plain": plain, "duration": duration, "moment": moment}
    return environment
