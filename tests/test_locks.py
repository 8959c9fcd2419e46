import os
import subprocess
import sys

import pytest

from llmsegnet_bundle import locks
from llmsegnet_bundle.locks import locked


def hold(folder, kind="training"):
    return locked(folder, kind, "ckpt_dir")


def test_second_of_a_kind_is_refused_and_the_folder_is_free_again_after_it(tmp_path):
    with hold(tmp_path / "new"), hold(tmp_path / "new", "evaluation"):
        with pytest.raises(ValueError, match=r"another training is at work in .*new; wait for it"):
            hold(tmp_path / "new").__enter__()
        assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [".evaluation.lock", ".training.lock"]
    assert not (tmp_path / "new").exists()  # it was made, and nothing is in it
    with hold(tmp_path / "new"):
        (tmp_path / "new/a").touch()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a"]


def fail(folder):
    with hold(folder):
        raise KeyError("mine")


def test_error_gives_the_lock_back(tmp_path):
    with pytest.raises(KeyError, match="mine"):
        fail(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_killed_process_leaves_no_lock_behind(tmp_path):
    code = "import os, sys; from llmsegnet_bundle.locks import locked\n"
    code += "with locked(sys.argv[1], 'training', 'ckpt_dir'): os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == -9
    assert [file.name for file in tmp_path.iterdir()] == [".training.lock"]
    with hold(tmp_path):
        assert (tmp_path / ".training.lock").read_text(encoding="utf-8") == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("patience_s", "free"), [(0.0, False), (30.0, True)])
def test_children_of_a_killed_process_are_waited_for(patience_s, free, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "CHILDREN_S", patience_s)
    with hold(tmp_path) as lock:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"999999999", 0)  # no process
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"], pass_fds=[lock])
        os.rename(tmp_path / ".training.lock", tmp_path / "kept")  # so that giving it back does not remove it
    os.rename(tmp_path / "kept", tmp_path / ".training.lock")
    if free:
        with hold(tmp_path):
            assert child.poll() is not None
    else:
        with pytest.raises(ValueError, match="another training is at work"):
            hold(tmp_path).__enter__()
    child.wait()


def test_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file/a cannot be written \(Not a directory\)"):
        hold(tmp_path / "file/a").__enter__()
