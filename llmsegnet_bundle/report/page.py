"""The parts of an HTML page: all text is escaped here, and nothing is loaded from elsewhere."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

NOT_RECORDED = "not recorded"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(title: str, subtitle: str, body: Sequence[str]) -> str:
    """Return the whole page, with its style and script inline."""
    here = files("llmsegnet_bundle.report")
    style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>',
            f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>\n<main>",
            *body,
            f"</main>\n<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def section(title: str, *parts: str) -> str:
    """Return a titled part of the page; without parts it says that nothing is recorded."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts or (note(NOT_RECORDED),)) + "\n</section>"


def note(text: str) -> str:
    """Return a line of small text."""
    return f'<p class="note">{escape(text)}</p>'


def heading(text: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def tiles(figures: Sequence[tuple[str, str, str]]) -> str:
    """Return the figures that are seen first: (name, value, explanation)."""
    cells = [
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(more)}</small></div>'
        for name, value, more in figures
    ]
    return f'<div class="tiles">{"".join(cells)}</div>'


def pictures(sources: Sequence[tuple[str, str]], kind: str) -> str:
    """Return pictures beside each other: (data URI, caption); `kind` is a class of the style."""
    cells = [
        f'<figure><img src="{uri}" alt="{escape(caption)}">'
        + (f"<figcaption>{escape(caption)}</figcaption>" if kind != "charts" else "")
        + "</figure>"
        for uri, caption in sources
    ]
    return f'<div class="{kind}">{"".join(cells)}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], sortable: bool = False, by_row: bool = False) -> str:
    """Return a table; whole numbers are written without decimals, nan and None as a dash.

    Args:
        columns: headers.
        rows: a text or number for each column.
        sortable: a click on a header sorts by it.
        by_row: the numbers of a row share their decimals, not those of a column.
    """
    turned = list(zip(*rows, strict=True)) or [()] * len(columns)
    numeric = [any(isinstance(value, int | float) for value in column) for column in turned]
    by_column = [_decimals(column) for column in turned]
    head = "".join(
        f'<th scope="col"{_class(number)}>{f"<button>{_header(name)}</button>" if sortable else _header(name)}</th>'
        for name, number in zip(columns, numeric, strict=True)
    )
    lines = []
    for row in rows:
        decimals = [_decimals(row)] * len(row) if by_row else by_column
        cells = [_cell(*cell) for cell in zip(row, decimals, numeric, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    kind, body = ' class="sortable"' if sortable else "", "\n".join(lines)
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def facts(content: dict[str, Any]) -> str:
    """Return names and their values, of any type, as a table of two columns."""
    lines = [
        f'<tr><th scope="row">{escape(str(key))}</th><td>{escape(_plain(value))}</td></tr>'
        for key, value in content.items()
    ]
    return f'<div class="wide"><table class="facts"><tbody>{"".join(lines)}</tbody></table></div>'


def details(summary: str, lines: Sequence[str]) -> str:
    """Return a list that opens with a click."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<details><summary>{escape(summary)}</summary><ul>{items}</ul></details>"


def _header(name: str) -> str:
    return escape(name).replace("_", "_<wbr>")  # where it may break, or a table of many measures gets too wide


def _cell(value: Any, decimals: int, numeric: bool) -> str:
    if isinstance(value, int | float) and math.isfinite(value):
        shown = f"{value:.{decimals}f}" if isinstance(value, float) else str(value)
        return f'<td class="number" data-value="{value!r}">{shown}</td>'
    if value is None or isinstance(value, float):
        return '<td class="number missing">&ndash;</td>'
    return f"<td{_class(numeric)}>{escape(_plain(value))}</td>"


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _decimals(values: Sequence[Any]) -> int:
    numbers = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    if all(number == int(number) for number in numbers):
        return 0
    return 1 if max(numbers) >= 1000 else 2 if max(numbers) >= 10 else 3


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)
