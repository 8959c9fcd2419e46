"""Files of maps: where they lie, and that they are whole."""

import os
from pathlib import Path
from typing import Any

from monai.data import NibabelWriter

from llmsegnet_bundle.scans.naming import case_name


def case_file(output_dir: str | Path, image: str | Path, postfix: str) -> Path:
    """Return where `SaveCased` puts the map of a scan."""
    return Path(output_dir) / f"{case_name(image)}_{postfix}.nii.gz"


class WholeWriter(NibabelWriter):
    """Write a NIfTI file whole or not at all."""

    def write(self, filename: Any, verbose: bool = False, **kwargs: Any) -> None:
        file = Path(filename)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{os.getpid()}.{file.name}")
        try:
            super().write(part, verbose, **kwargs)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
