"""What must hold before a bundle runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def check_root(bundle_root: str | Path) -> None:
    """Raise ValueError when `bundle_root` is no bundle, so that nothing is written to a wrong place."""
    if not (Path(bundle_root) / "configs" / "metadata.json").is_file():
        raise ValueError(f"bundle_root: {Path(bundle_root).resolve()} is no bundle; give --bundle_root bundles/NAME")


def check_flags(flags: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that is neither True nor False, such as the text "false", which counts as true."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name}: must be True or False, got {value!r}; write --{name} True or --{name} False")
