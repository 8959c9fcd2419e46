import logging

import pytest
from ignite.engine import Engine

from llmsegnet_bundle.handlers import HeldFolders
from llmsegnet_bundle.locks import locked


def engine_of(step):
    engine = Engine(step)
    run = engine.run
    engine.run = lambda: run([0], max_epochs=1)
    engine.state.device = "cpu"
    return engine


def test_folders_are_held_while_the_engine_runs_and_no_longer(tmp_path):
    def step(engine, batch):
        for name in ("a", "b"):
            with pytest.raises(ValueError, match="another training is at work"):
                locked(tmp_path / name, "training", "x").__enter__()

    held = HeldFolders("training", {"ckpt_dir": tmp_path / "a", "output_dir": tmp_path / "b", "other": tmp_path / "a"})
    assert held.run(engine_of(step)).iteration == 1
    assert held.run(engine_of(step)).iteration == 1
    assert list(tmp_path.rglob(".*")) == []


def test_engine_does_not_run_in_a_folder_that_is_held(tmp_path):
    held = HeldFolders("training", {"ckpt_dir": tmp_path / "a", "output_dir": tmp_path / "b"})
    with locked(tmp_path / "b", "training", "x"):
        with pytest.raises(ValueError, match=r"at work in .*b; wait for it, or give another output_dir"):
            held.run(engine_of(print))
        assert not (tmp_path / "a").exists()


def test_follower_ends_with_the_first_process(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("llmsegnet_bundle.handlers.held.agreed", lambda flag, device: [1])
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    with pytest.raises(SystemExit):
        HeldFolders("training", {"ckpt_dir": tmp_path}).run(engine_of(print))


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_error_gives_the_folders_back_and_is_told_by_nobody_else(error, tmp_path, caplog):
    def step(engine, batch):
        raise error

    with pytest.raises(error):
        HeldFolders("training", {"ckpt_dir": tmp_path}).run(engine_of(step))
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []
    assert logging.getLogger("ignite.engine.engine").level != logging.CRITICAL
