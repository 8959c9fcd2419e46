"""A run that no second one disturbs."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from monai.engines import Workflow

from llmsegnet_bundle.handlers.stop import agreed
from llmsegnet_bundle.locks import locked


class HeldFolders:
    """Run an engine while its folders are held against a second run of its kind; the first of several processes does.

    Args:
        kind: "training" or "evaluation", which may share a folder.
        folders: setting -> folder.

    Example:
        >>> HeldFolders("training", {"ckpt_dir": "runs/a"}).run(trainer)
    """

    def __init__(self, kind: str, folders: dict[str, str | Path]) -> None:
        self.kind = kind
        self.folders = folders

    def run(self, engine: Workflow) -> Any:
        """Return what `engine.run` does.

        Raises:
            ValueError: when another run is at work in a folder; on other processes SystemExit.
        """
        with ExitStack() as held, _quiet_engines():
            refusal = self._hold(held) if idist.get_rank() == 0 else None
            (refused,) = agreed(refusal is not None, device=engine.state.device)
            if refused:
                raise refusal or SystemExit(1)
            return engine.run()

    def _hold(self, held: ExitStack) -> ValueError | None:
        places: set[Path] = set()
        for setting, folder in self.folders.items():
            if Path(folder).resolve() in places:
                continue
            places.add(Path(folder).resolve())
            try:
                held.enter_context(locked(folder, self.kind, setting))
            except ValueError as error:
                return error
        return None


@contextmanager
def _quiet_engines() -> Iterator[None]:
    """Keep engines from telling an error that ends them, in lines of their own: whoever catches it tells it once."""
    logger = logging.getLogger("ignite.engine.engine")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
