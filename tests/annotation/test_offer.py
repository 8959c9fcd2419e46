import pytest

from llmsegnet_bundle.annotation.offer import most_doubtful

NOW_S = 1e9


def scan(doubt=None, served_s=None):
    told = {} if doubt is None else {"doubt_a": doubt}
    return told if served_s is None else told | {"strategy": {"most": {"ts": served_s}}}


@pytest.mark.parametrize(
    ("scans", "first"),
    [
        ({"a": scan(0.1), "b": scan(0.3), "c": scan(0.2)}, "b"),
        ({"a": scan(0.1), "b": scan(0.3, NOW_S - 60), "c": scan(0.2)}, "c"),
        ({"a": scan(0.1), "b": scan(0.3, NOW_S - 4000)}, "b"),
        ({"a": scan(), "b": scan(0.1)}, "b"),
        ({"b": scan(), "a": scan()}, "a"),
        ({"a": scan(0.1, NOW_S - 60), "b": scan(0.3, NOW_S - 60)}, "b"),
    ],
    ids=["most doubtful", "offered just now", "offered long ago", "without a doubt", "by name", "all offered"],
)
def test_scan_that_is_offered(scans, first):
    assert most_doubtful(scans, "doubt_a", "most", NOW_S) == first
