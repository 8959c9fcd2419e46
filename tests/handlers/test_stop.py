import signal
import threading

import pytest
import torch

from llmsegnet_bundle.handlers.stop import Stop, agreed


def test_signals_are_caught_and_given_back(capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stop = Stop()
    stop.catch()
    signal.raise_signal(signal.SIGTERM)
    assert stop.signal == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    stop.give_back()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_nothing_is_caught_outside_the_main_thread():
    stop = Stop()
    thread = threading.Thread(target=stop.catch)
    thread.start()
    thread.join()
    assert stop.before == {}


def test_process_that_does_not_speak_is_silent(capsys):
    Stop(speaks=False).ask(signal.SIGTERM)
    assert capsys.readouterr().out == ""


def test_a_flag_of_one_process_is_that_of_all(monkeypatch):
    assert agreed(15, False) == [15, 0]
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    other = torch.tensor([0, 1])
    monkeypatch.setattr("ignite.distributed.all_reduce", lambda own, how: {"MAX": torch.maximum}[how](own, other))
    assert agreed(15, False) == [15, 1]
