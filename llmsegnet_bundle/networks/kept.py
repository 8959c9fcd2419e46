"""Weights that a training takes the place of: kept beside its state, and put back."""

import json
import shlex
from pathlib import Path

from llmsegnet_bundle.files import file_sha256, link_file, moment, whole_file
from llmsegnet_bundle.locks import locked
from llmsegnet_bundle.networks.weights import described_in, read_description, read_weights, weights_file

KEPT = "model_before_"


def keep_weights(model_file: str | Path, folder: str | Path, run_id: str = "") -> Path | None:
    """Keep weights, and the JSON file beside them, in a folder under a name with the time, before others replace them.

    Args:
        model_file: stays as it is.
        folder: of a run's state; made when missing.
        run_id: of the run that is about to write; its own weights are not kept.

    Returns:
        The file, `model_before_<time>.pt`; None where there is nothing to keep.
    """
    file = Path(model_file)
    if not file.is_file() or _is_of(file, run_id):
        return None
    kept = Path(folder) / f"{KEPT}{moment()}.pt"
    if described_in(file).is_file():
        link_file(described_in(file), described_in(kept))
    link_file(file, kept)
    return kept


def restore_command(kept: str | Path, model_file: str | Path) -> str:
    """Return what a person types to put weights back."""
    return shlex.join(["python", "-m", "llmsegnet_bundle", "restore", str(kept), str(model_file)])


def restore_weights(kept: str | Path, model_file: str | Path | None = None) -> str:
    """Put kept weights in the place of others, which are kept in turn; return what was done in words.

    Args:
        kept: of `keep_weights`, or its folder for the one that was kept last.
        model_file: where they go; None for where a training with its state in that folder puts its own.

    Raises:
        ValueError: when there are no such weights, they are damaged, or a training is at work there.
    """
    source = Path(kept)
    if source.is_dir():
        found = sorted(source.glob(f"{KEPT}*.pt"))
        if not found:
            raise ValueError(f"{source} has no {KEPT}*.pt; give the folder of a training's state, or a file")
        source = found[-1]
    folder = source.absolute().parent
    root = folder.parents[1] if len(folder.parents) > 1 else folder
    target = Path(weights_file(root, folder) if model_file is None else model_file)
    if target.suffix != ".pt":
        raise ValueError(f"{target} is no name of weights; give a model_file that ends with .pt")
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} cannot be put in its own place; give the model_file that it goes to")
    read_weights(source, "kept")
    read_description(source)  # refuses one of other weights
    with locked(folder, "training", "kept"):
        replaced = keep_weights(target, folder)
        for one, other in ((source, target), (described_in(source), described_in(target))):
            if one.is_file():
                with whole_file(other) as part:
                    part.write_bytes(one.read_bytes())
            else:
                other.unlink(missing_ok=True)
    told = f"; what lay there is kept: {restore_command(replaced, target)}" if replaced else ""
    return f"{target} is {source} again{told}"


def _is_of(file: Path, run_id: str) -> bool:
    try:
        told = json.loads(described_in(file).read_text(encoding="utf-8"))
        return told["run_id"] == run_id and told["sha256"] == file_sha256(file)
    except (OSError, ValueError, KeyError, TypeError):  # who left it so was not the run
        return False
