"""What runs in a fork: a training that may be killed, at a moment of its own."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import torch
from bundle_runs import run

from llmsegnet_bundle import files


def train(work: dict[str, Any]) -> None:
    """Train in a folder.

    Args:
        work: "scans" and "folder"; "settings" of the run; "kill", {"step": n} at the n-th step of an optimizer,
            {"sync": n} at the n-th file or folder that is brought to the disk, {"seconds": s}, or nothing.
    """
    for kind, when in work["kill"].items():
        if kind == "seconds":
            threading.Timer(when, _kill).start()
        elif kind == "step":
            torch.optim.SGD.step = _killed_at(when, torch.optim.SGD.step)
        else:
            files._sync = _killed_at(when, files._sync)
    run(["train"], work["scans"], Path(work["folder"]), **work["settings"])


def _killed_at(count: int, function: Any) -> Any:
    calls = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == count:
            _kill()
        return function(*args, **kwargs)

    return counted


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
