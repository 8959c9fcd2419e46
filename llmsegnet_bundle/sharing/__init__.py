"""Bundles as people pass them on: found by name, fetched, packed, published."""

from llmsegnet_bundle.sharing.fetching import download_bundle
from llmsegnet_bundle.sharing.finding import find_bundle
from llmsegnet_bundle.sharing.packing import package_bundle
from llmsegnet_bundle.sharing.publishing import publish_bundle

__all__ = ["download_bundle", "find_bundle", "package_bundle", "publish_bundle"]
