"""The demo shows what it says; its table says no more than the figures do."""

import pytest

from llmsegnet_bundle.__main__ import main
from llmsegnet_bundle.tools.demo import demo, table
from llmsegnet_bundle.tools.demo.case import ALONE, COMMON, METHOD, PAIR, PAIR_ALONE, show


def test_gain_beyond_the_spread_is_told_as_one():
    assert table.judge("V-Net", [0.10, 0.12, 0.11]) == (
        "Against V-Net: LLM-SegNet gains more than the spread over the seeds (+0.110 ± 0.010 Dice, +0.100 to +0.120)."
    )


@pytest.mark.parametrize("gains", [[0.30, 0.01, 0.02], [0.01, -0.001, 0.01], [-0.1, -0.1, -0.1]])
def test_gain_within_the_spread_or_a_loss_is_told_as_none(gains):
    assert "no gain beyond the spread" in table.judge("V-Net", gains)


@pytest.mark.parametrize(("gain", "word"), [(0.02, "better than"), (-0.02, "worse than"), (0.01, "no different from")])
def test_verdict_of_one_run_needs_a_hundredth(gain, word):
    assert table.verdict(gain) == f"{word} ({gain:+.3f})"


def test_table_has_a_line_a_seed_with_both_gains():
    lines = table.describe({PAIR: [0.9, 0.92], PAIR_ALONE: [0.8, 0.85], ALONE: [0.7, 0.72]}, seeds=[3, 4])
    assert lines[4] == "| 3 | 0.900 | 0.800 | 0.700 | +0.100 | +0.200 |"
    assert (
        lines[6] == "| mean ± std | 0.910 ± 0.014 | 0.825 ± 0.035 | 0.710 ± 0.014 | +0.085 ± 0.021 | +0.200 ± 0.000 |"
    )


def test_committed_table_is_of_the_settings_of_the_demo():
    text = table.TABLE.read_text(encoding="utf-8")
    for settings in (COMMON, METHOD):
        assert ", ".join(f"`{key}: {value}`" for key, value in settings.items()) in text


def test_command_is_shown_and_logged(tmp_path, capsys):
    assert show(["sh", "-c", "echo worked; echo failed >&2; exit 3"], tmp_path / "log.txt") == 3
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == capsys.readouterr().out == "worked\nfailed\n"


def test_demo_without_a_bundle_ends_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("llmsegnet_bundle.tools.demo.case.BUNDLE", tmp_path / "none")
    monkeypatch.setattr("sys.argv", ["llmsegnet-bundle", "demo", str(tmp_path)])
    with pytest.raises(SystemExit, match="none does not exist; the demo runs from a checkout of the repository"):
        main()


@pytest.mark.slow
def test_demo_segments_with_another_seed(tmp_path):
    dice = demo(tmp_path, seed=1)
    # the seeds of docs/demo.md have 0.913 to 0.918, and +0.001 to +0.025
    assert dice["mean"] > 0.89
    assert dice["gain"] > -0.02
    for name in ("overlay.png", "overlay_baseline.png", "report.html"):
        assert (tmp_path / name).stat().st_size > 10_000
    assert (tmp_path / "dice.md").read_text(encoding="utf-8").startswith("![new scan, LLM-SegNet](overlay.png)")
