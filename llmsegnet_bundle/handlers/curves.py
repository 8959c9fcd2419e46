"""The curves of a run, in TensorBoard's files."""

from pathlib import Path
from typing import Any

from monai.handlers import TensorBoardStatsHandler

from llmsegnet_bundle.files import writing_to


class Curves(TensorBoardStatsHandler):
    """MONAI's handler, whose file is begun by the first number: a run that does not start leaves none.

    Args:
        log_dir: gets the file.
        options: as of `TensorBoardStatsHandler`.

    Raises:
        ValueError: when the system does not let the file be written.
    """

    def __init__(self, log_dir: str | Path, **options: Any) -> None:
        super().__init__(summary_writer=_Writer(log_dir), **options)
        self.internal_writer = True  # closed at the end of the run


class _Writer:
    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.file: Any = None

    def add_scalar(self, *scalar: Any, **options: Any) -> None:
        with writing_to(self.folder):
            if self.file is None:
                from torch.utils.tensorboard import SummaryWriter  # takes a second

                self.file = SummaryWriter(log_dir=str(self.folder))
            self.file.add_scalar(*scalar, **options)

    def flush(self) -> None:
        self._do("flush")

    def close(self) -> None:
        self._do("close")

    def _do(self, what: str) -> None:
        if self.file is not None:
            with writing_to(self.folder):
                getattr(self.file, what)()
