"""A bundle for a new organ: its scans looked at, settings proposed from them, and the bundle written."""

from llmsegnet_bundle.planning.new import new_bundle

__all__ = ["new_bundle"]
