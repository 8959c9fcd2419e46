"""The state that a run continues from, `last.pt`: written whole, the one before kept, a damaged one told."""

import math
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from llmsegnet_bundle.files import link_file, moment, whole_file

BEFORE = "last_one_before.pt"


def write_state(content: Mapping[str, Any], file: Path, keep: bool = True) -> None:
    """Replace the state in `file`.

    Args:
        content: step, total_steps, run, best_metric, best_metric_epoch, random, and states of objects.
        file: `last.pt`.
        keep: keep the one before as `BEFORE` beside it; without, that of another run goes.

    Raises:
        ValueError: as `files.whole_file`; the files stay as they were then.
    """
    with whole_file(file) as part:
        with part.open("wb") as stream:
            torch.save(dict(content), stream)
        if keep and file.is_file():
            link_file(file, file.with_name(BEFORE))
    if not keep:
        file.with_name(BEFORE).unlink(missing_ok=True)


def read_state(file: Path, load: Callable[[dict[str, Any]], object], writes: bool = True) -> dict[str, Any]:
    """Load the state in `file`, or where that is damaged the one before, which then takes its place, and return it.

    What is damaged is kept beside it under a name with the time.

    Args:
        file: `last.pt`.
        load: takes the content; what it raises is damage.
        writes: False on all processes but one.

    Raises:
        ValueError: when both are damaged, or there is no one before.
    """
    try:
        return _loaded(file, load)
    except ValueError as error:
        damage = str(error)
    before = file.with_name(BEFORE)
    try:
        content = _loaded(before, load)
    except ValueError:
        raise ValueError(f"it is damaged: {damage}") from None
    idist.barrier()  # every process has read the files
    if writes:
        kept = file.replace(file.with_name(f"last_damaged_{moment()}.pt"))
        link_file(before, file)
        told = f"{file} is damaged ({damage}), now {kept.name}; going on from the one before, of step {content['step']}"
        tqdm.write(told)
    return content


def not_finite_in(state: Any) -> bool:
    """Say whether any tensor within a state has a number that is not finite."""
    return any(not torch.isfinite(tensor).all() for tensor in _tensors(state))


def random_states() -> dict[str, Any]:
    """Return the random states of Python, NumPy and torch."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Set what `random_states` returned."""
    torch.set_rng_state(states["torch"])
    for index, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))


def _loaded(file: Path, load: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = _read(file)
    try:
        load(content)
    except Exception as error:  # of whatever an object makes of a wrong state
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())[:100]}") from None
    return content


def _read(file: Path) -> dict[str, Any]:
    if file.is_dir():
        raise ValueError("a folder")
    try:
        with zipfile.ZipFile(file) as archive:  # torch compares no checksums
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} has another checksum")
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of torch, zipfile, pickle or the system
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ValueError(f"unreadable: {reason}") from None
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}")
    if "run" in content and (faults := _faults(content)):
        raise ValueError(", ".join(faults))
    return content


def _faults(content: Mapping[str, Any]) -> list[str]:
    step, best = content.get("step"), content.get("best_metric")
    total, draws = content.get("total_steps", step), content.get("random")
    is_step = type(step) is int and type(total) is int and 0 <= step <= total
    faults = [] if is_step else [f"step {step!r} of {total!r}"]
    if not isinstance(best, float) or not math.isfinite(best):
        faults.append(f"best_metric {best!r}")
    if type(content.get("best_metric_epoch")) is not int:
        faults.append(f"best_metric_epoch {content.get('best_metric_epoch')!r}")
    if not isinstance(content["run"], dict):
        faults.append(f"run {type(content['run']).__name__}")
    if not isinstance(draws, dict) or draws.keys() != {"torch", "cuda", "numpy", "python"}:
        faults.append("no random states")
    return faults + [f"{name} is not finite" for name, state in content.items() if not_finite_in(state)]


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping | list | tuple):
        for value in state.values() if isinstance(state, Mapping) else state:
            yield from _tensors(value)
