import sys

import pytest

from llmsegnet_bundle import __main__
from llmsegnet_bundle.usage import check_usage


def cut(source, output, labeled: int | None = 1, *more, share: float = 1.0, check: bool = False):
    pass


def ask(source, *, model, **settings):
    pass


COMMANDS = {"cut": cut, "ask": ask}


@pytest.mark.parametrize(
    "words",
    [
        ["cut", "a", "b"],
        ["cut", "a", "b", "c", "--labeled", "-1"],
        ["cut", "a", "--output=b", "--check"],
        ["cut", "--output", "b", "a", "--nocheck"],
        ["cut", "a", "b", "None", "more", "--share", "2"],
        ["cut", "--help"],
        ["ask", "a", "--model", "m", "--anything", "1"],
        ["--help"],
        [],
    ],
)
def test_what_a_command_takes_passes(words):
    check_usage(COMMANDS, words)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["cutt", "a", "b"], r"^cutt: is no command; did you mean cut\?$"),
        (["zzzz"], "^zzzz: is no command; they are cut, ask$"),
        (["cut", "a", "b", "--labled", "2"], r"^--labled: cut takes no such flag; did you mean labeled\?$"),
        (["cut", "a"], "^cut: lacks OUTPUT; `llmsegnet-bundle cut --help` tells what it takes$"),
        (["cut", "--check", "a", "b"], "^cut: lacks OUTPUT"),
        (["ask", "a"], "^ask: lacks MODEL"),
        (["cut", "a", "b", "few"], "^labeled: must be a whole number or None, got 'few'$"),
        (["cut", "a", "b", "1.5"], "^labeled: must be a whole number or None, got '1.5'$"),
        (["cut", "a", "b", "--share", "much"], "^share: must be a number, got 'much'$"),
        (["cut", "a", "b", "--check=no"], "^check: must be True or False, got 'no'$"),
        (["ask", "a", "b", "--model", "m"], "^ask: takes 1 values besides its flags, got 2"),
    ],
)
def test_what_it_does_not_take_is_told_before_it_runs(words, match):
    with pytest.raises(ValueError, match=match):
        check_usage(COMMANDS, words)


def test_mistyped_flag_ends_the_program_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["llmsegnet-bundle", "phantom", str(tmp_path / "p"), "--scan", "1"])
    with pytest.raises(SystemExit, match=r"^--scan: phantom takes no such flag; did you mean scans\?$"):
        __main__.main()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given", ["background, left ventricle", "[background, left ventricle]", ["background", "left ventricle"]]
)
def test_names_come_as_a_list_or_in_a_text(given):
    assert __main__._names(given) == ["background", "left ventricle"]
