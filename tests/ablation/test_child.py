import os
import signal
import sys
import threading
import time

import pytest

from llmsegnet_bundle.ablation.child import Commands, Stopped

PATIENT = """
import os
import signal, sys, time
def stop(number, frame):
    print("saved at", signal.Signals(number).name); sys.exit(0)
signal.signal(signal.SIGINT, stop); signal.signal(signal.SIGTERM, stop)
print("ready")
time.sleep(60)
"""


def test_output_goes_to_the_log_and_status_comes_back(tmp_path):
    log = tmp_path / "new/log.txt"
    with Commands() as commands:
        assert commands([sys.executable, "-c", "print('one')"], log) == 0
        assert commands([sys.executable, "-c", "import sys; sys.exit('two')"], log) == 1
    assert log.read_text(encoding="utf-8") == "one\ntwo\n"


@pytest.fixture
def heard():
    """Nothing is ignored, as SIGINT is where the tests run in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("sent", "seen"),
    [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGTERM")],
)
def test_signal_is_passed_on_and_nothing_starts_after_it(sent, seen, tmp_path, capsys):
    log, before = tmp_path / "log.txt", signal.getsignal(sent)

    def stop_when_ready():
        while not (log.is_file() and "ready" in log.read_text(encoding="utf-8")):
            time.sleep(0.02)
        os.kill(os.getpid(), sent)

    with Commands() as commands:
        threading.Thread(target=stop_when_ready).start()
        with pytest.raises(Stopped):
            commands([sys.executable, "-c", PATIENT], log)
        with pytest.raises(Stopped):
            commands([sys.executable, "-c", "print('after')"], log)
    assert log.read_text(encoding="utf-8") == f"ready\nsaved at {seen}\n"
    assert "stopping" in capsys.readouterr().out
    assert signal.getsignal(sent) == before


def test_ignored_signal_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Commands():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_commands_hold_the_lock_too(tmp_path):
    with (tmp_path / ".lock").open("w") as file:
        look = [sys.executable, "-c", f"import os; os.fstat({file.fileno()})"]
        with Commands([file.fileno()]) as commands:
            assert commands(look, tmp_path / "log.txt") == 0
        with Commands() as commands:
            assert commands(look, tmp_path / "log.txt") == 1
