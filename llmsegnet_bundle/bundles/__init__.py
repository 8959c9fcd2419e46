"""Bundles: written from the recipe and a data set's differences, checked before they run."""

from llmsegnet_bundle.bundles.assembly import assemble
from llmsegnet_bundle.bundles.checks import check_flags, check_root

__all__ = ["assemble", "check_flags", "check_root"]
