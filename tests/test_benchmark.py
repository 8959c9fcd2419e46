import re
import sys

import pytest
from bundle_runs import BUNDLES

from llmsegnet_bundle.tools.benchmark import benchmark, big, table
from llmsegnet_bundle.tools.benchmark.measure import cost, cost_of_command, in_fresh_process


def test_unknown_benchmark_ends_in_one_line():
    with pytest.raises(ValueError, match=r"benchmark: must be one of step, authors_step, .* or all, got 'speed'"):
        benchmark("speed")


def test_missing_scans_end_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist; give --bundle and --dataset_dir"):
        benchmark("scan", dataset_dir=str(tmp_path / "nowhere"))


def use_100_mb():
    return cost(lambda: bytearray(b"1" * 100_000_000), repeats=1)


@pytest.mark.slow
def test_memory_of_a_turn_is_measured_in_its_own_process():
    ballast = bytearray(b"1" * 300_000_000)  # of this process, not of the measured one
    measured = in_fresh_process(use_100_mb)
    del ballast
    assert 0.09 < measured.memory_gb < 0.25
    assert measured.seconds > 0


def test_peak_of_a_command_is_its_own():
    measured = cost_of_command([sys.executable, "-c", "held = bytearray(b'1' * 300_000_000)"])
    assert 0.3 < measured.memory_gb < 0.9
    with pytest.raises(RuntimeError, match=r"ended with 3: no room"):
        cost_of_command([sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"])


@pytest.mark.slow
def test_large_scan_is_segmented_by_the_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(big, "NETWORK", big.NETWORK | {"crop": (48, 48, 48)})
    monkeypatch.setattr(big, "ASKED", big.ASKED | {"stride_voxel": (48, 48, 48)})
    bundle = str(BUNDLES[-1])
    big.write_ct(tmp_path, (50, 50, 60), 3)
    big.write_weights(tmp_path / "model.pt", bundle, 3)
    given = {"model_file": tmp_path / "model.pt", "classes": 3, "spacing_mm": (1.0, 1.0, 1.0)}
    assert big.segment(tmp_path, bundle, given).memory_gb > 0.2
    assert big.evaluate(tmp_path, bundle, given | {"class_names": ("background", "one", "two")}).memory_gb > 0.2
    assert [
        row.split(",")[0] for row in (tmp_path / "scores/metrics.csv").read_text(encoding="utf-8").splitlines()[1:]
    ] == ["ct_1"] * 2


@pytest.mark.long
@pytest.mark.parametrize("what", ["step", "arithmetic", "processes", "many"])
def test_benchmark_prints_both_sides_and_their_ratio(what, capsys, monkeypatch):
    monkeypatch.setattr(table, "MANY", (9, 18))
    monkeypatch.setattr(table, "MANY_SIDE", 96)
    benchmark(what, crop=(48, 48, 48), repeats=1)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert rows
    for row in rows:
        _, other, ours, ratio = (cell.strip() for cell in row.strip("|").split("|"))
        assert all(re.fullmatch(r"[\d.]+ (s|GB|GFLOP/s|crops/s)", cell) for cell in (other, ours))
        assert re.fullmatch(r"[\d.]+( x|%)", ratio)
