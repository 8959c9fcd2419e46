"""What pages show is escaped, and written so that it can be compared."""

import math
import re

import pytest

from llmsegnet_bundle.report.pages import duration, moment, number, plain, render

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "measure", "shown"),
    [
        (0.51234, "dice", "0.512"),
        (12.3456, "hd95_pooled_mm", "12.35"),
        (1.0, "missed", "1"),
        (3, "dice", "3"),
        ([0.1, 0.25], "asd_mm", "0.10 to 0.25"),
        (math.nan, "dice", DASH),
        (math.inf, "dice", DASH),
        (None, "", DASH),
    ],
)
def test_number_has_the_decimals_of_its_measure(value, measure, shown):
    assert number(value, measure) == shown


def test_values_of_any_type_are_told_in_words():
    assert plain({"a": [1, None], "b": True}) == "a 1, none; b True"
    assert [duration(seconds) for seconds in (12.2, 600, 7200)] == ["12 s", "10 min", "2.0 h"]
    assert moment("2026-01-02T03:04:05+00:00") == "2026-01-02 03:04:05 UTC"
    assert moment(None) == "not recorded"


def test_all_that_is_shown_is_escaped():
    case = {"name": "</script><x>", "shape": [], "spacing_mm": [], "start": [], "image": "", "layers": []}
    page = render("view.html", title="<x>", subtitle="<x>", cases=[case])
    assert "<x>" not in page
    assert page.count("&lt;x&gt;") == 3
    assert page.count("</script>") == 1


def test_page_loads_nothing():
    page = render("view.html", title="a", subtitle="b", cases=[])
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in page.replace("http-equiv", "")
