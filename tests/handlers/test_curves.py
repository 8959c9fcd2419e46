import errno
import os
import threading

import pytest
from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from llmsegnet_bundle.handlers import Curves


def engine_of(curves):
    engine = Engine(lambda engine, batch: {"loss": float(batch)})
    curves.attach(engine)
    return engine


def curves_in(folder):
    return Curves(folder, tag_name="train", output_transform=lambda output: output["loss"])


def test_numbers_of_each_step_are_written(tmp_path):
    engine_of(curves_in(tmp_path / "new")).run([3, 4], max_epochs=1)
    events = EventAccumulator(str(tmp_path / "new")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train")] == [(1, 3), (2, 4)]


def test_run_that_does_not_start_leaves_no_file(tmp_path):
    engine = engine_of(curves_in(tmp_path / "new"))
    engine.add_event_handler(Events.STARTED, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.run([3], max_epochs=1)
    assert not (tmp_path / "new").exists()


def test_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file cannot be written \((Not a directory|File exists)\)"):
        engine_of(curves_in(tmp_path / "file")).run([3], max_epochs=1)
    monkeypatch.setattr(threading, "excepthook", lambda told: None)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", full)
    with pytest.raises(ValueError, match=r"new cannot be written \(No space left on device\)"):
        engine_of(curves_in(tmp_path / "new")).run([3], max_epochs=1)
