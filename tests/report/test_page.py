"""The parts of a page escape what they show, and write numbers that can be compared."""

import math
import re

import pytest

from llmsegnet_bundle.report import page


def cells(table):
    return re.findall(r"<td[^>]*>(.*?)</td>", table)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.51234, 1.0], ["0.512", "1.000"]),
        ([12.3456, 0.5], ["12.35", "0.50"]),
        ([1234.56, math.nan, None], ["1234.6", "&ndash;", "&ndash;"]),
        ([1.0, 0.0], ["1", "0"]),
        ([3, 0.25], ["3", "0.250"]),
        (["a<b", [1, 2]], ["a&lt;b", "1, 2"]),
        ([math.inf], ["&ndash;"]),
    ],
)
def test_column_shares_its_decimals(values, expected):
    assert cells(page.table(["x"], [[value] for value in values])) == expected


def test_row_shares_its_decimals():
    assert cells(page.table(["x", "y"], [[0.5, 0.25], [100.0, 0.5]], by_row=True)) == [
        "0.500",
        "0.250",
        "100.00",
        "0.50",
    ]


def test_sorting_uses_the_whole_number():
    assert 'data-value="0.51234"' in page.table(["x"], [[0.51234]], sortable=True)


def test_empty_table_has_its_headers():
    assert "<th" in page.table(["x_<y"], [])
    assert "x_<wbr>&lt;y" in page.table(["x_<y"], [])


@pytest.mark.parametrize(
    "shown",
    [
        page.section("<x>", page.note("<x>"), page.heading("<x>")),
        page.tiles([("<x>", "<x>", "<x>")]),
        page.pictures([("data:,", '<x>"')], "planes"),
        page.facts({"<x>": {"<x>": ["<x>", None]}}),
        page.details("<x>", ["<x>"]),
        page.page("<x>", "<x>", []),
    ],
)
def test_text_is_escaped(shown):
    assert "<x>" not in shown
    assert "&lt;x&gt;" in shown


def test_section_without_parts_is_not_recorded():
    assert "not recorded" in page.section("Text")
