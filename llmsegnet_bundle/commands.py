"""A bundle's own commands, as a person types them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsegnet_bundle.files import write_texts


def bundle_command(
    folder: Path, run_id: str, bundle: str | Path, configs: Sequence[str | Path], overrides: Mapping[str, Any]
) -> list[str]:
    """Return the command that runs a bundle, after writing all that it takes to `<folder>/<run_id>.json`.

    MONAI reads that file as its `args_file`: values keep their types, and None arrives, which the command line drops.

    Args:
        folder: gets the file; made when missing.
        run_id: "training" or "evaluating".
        bundle: folder of the bundle.
        configs: files of the config, later ones over earlier ones.
        overrides: id -> value; a path becomes a text.

    Raises:
        ValueError: when folder is a file.
    """
    places = {"config_file": list(map(str, configs)), "bundle_root": str(bundle)}
    arguments = places | {"logging_file": str(Path(bundle) / "configs/logging.conf")} | dict(overrides)
    file = f"{run_id}.json"
    write_texts(folder, {file: json.dumps(arguments, indent=1, default=str) + "\n"})
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", run_id]
    return [*command, "--args_file", str((folder / file).absolute())]
