"""Bundles: written from the recipe and a data set's differences."""

from typing import Any

from llmsegnet_bundle.bundles.assembly import assemble

__all__ = ["assemble"]

REMOVED = ("exit_on_error", "check_root", "check_training", "check_flags")  # of what configs of version 0.1.0 call


def __getattr__(name: str) -> Any:
    """Refuse what only configs of an older version call, with the cure."""
    if name in REMOVED:
        command = "python -m llmsegnet_bundle assemble"
        raise ValueError(f"the configs of this bundle are of an older version; run `{command}` with its folder")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
