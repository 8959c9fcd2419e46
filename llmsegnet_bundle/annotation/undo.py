"""A training that made it worse, taken back."""

from pathlib import Path

from llmsegnet_bundle.files import moment
from llmsegnet_bundle.handlers.state import BEFORE
from llmsegnet_bundle.networks.kept import restore_weights


def undo_training(bundle: Path) -> str:
    """Put the weights back that the last training took the place of; return what was done in words.

    The state of that training is set aside, so that the next one starts from these weights. The weights that go are
    kept in turn: a second undo brings them back.

    Args:
        bundle: folder of the bundle, whose trainings have their state in its `checkpoints/train`.

    Raises:
        ValueError: as `restore_weights`.
    """
    state = bundle / "checkpoints" / "train"
    told = restore_weights(state, bundle / "models" / "model.pt")
    if (last := state / "last.pt").is_file():
        last.replace(state / f"last_undone_{moment()}.pt")
    (state / BEFORE).unlink(missing_ok=True)
    return told
