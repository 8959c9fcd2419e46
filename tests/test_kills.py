"""A training that is killed twenty times, also while it writes, ends as one that is left alone."""

import json
import random
import signal

import pytest
import torch
from warm import WarmProcess

from llmsegnet_bundle.tools.phantom import write_phantom

KILLS = 20
SETTINGS = {"max_steps": 14, "val_interval": 1, "ramp_start": 3}  # steps with and without unlabeled crops


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess(["bundle_runs", "llmsegnet_bundle.handlers", "llmsegnet_bundle.loading"])
    yield process
    process.close()


def some_kill(draw):
    """Return a moment: few steps or files after the start, so that twenty fit into a training."""
    return draw.choice([{"step": draw.randint(1, 4)}, {"sync": draw.randint(1, 9)}, {"seconds": draw.uniform(0.5, 4)}])


def tensors(state, name=""):
    """Yield the names and values of all that a state holds."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield from tensors(value, f"{name}.{key}")
    elif isinstance(state, list | tuple):
        for i, value in enumerate(state):
            yield from tensors(value, f"{name}.{i}")
    else:
        yield name, state


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_training_ends_bit_for_bit_as_one_left_alone(workers, warm, tmp_path, record_property):
    write_phantom(tmp_path / "scans", scans=4, size=(40, 40, 36), spacing_mm=0.9)
    draw, statuses, kills = random.Random(workers), [], []

    def train(name, kill):
        work = {"scans": str(tmp_path / "scans"), "folder": str(tmp_path / name), "kill": kill}
        work["settings"] = SETTINGS | {"workers": workers}
        return warm.run("killed_run:train", work, tmp_path, tmp_path / "logs", limit_s=1200)

    alone = train("alone", {})
    assert alone.status == 0, alone.err
    for _ in range(KILLS):
        kills.append(some_kill(draw))
        done = train("killed", kills[-1])
        statuses.append(done.status)
        assert done.status in (0, -signal.SIGKILL), done.err
    done = train("killed", {})
    assert done.status == 0, done.err
    assert statuses.count(-signal.SIGKILL) >= 15  # a late one may come after the end
    for file in ("last.pt", "model.pt"):
        one, other = (torch.load(tmp_path / name / "ckpt" / file, weights_only=True) for name in ("alone", "killed"))
        for state in (one, other):
            for name in ("run", "run_id"):  # where it lies, and the name that it drew
                state.pop(name, None)
        pairs = zip(tensors(one), tensors(other), strict=True)
        unlike = [a[0] for a, b in pairs if a[0] != b[0] or not same(a[1], b[1])]
        assert unlike == []
    left = [file.name for file in (tmp_path / "killed/ckpt").iterdir() if file.name.startswith(".")]
    at = ", ".join(f"{kind} {when:.3g}" for kill in kills for kind, when in kill.items())
    row = [str(workers), str(statuses.count(-signal.SIGKILL)), at, f"{len(left)} parts of files"]
    head = ["workers", "killed", "moments", "left behind"]
    record_property("table", json.dumps({"title": "Trainings killed", "head": head, "rows": [row]}))


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
