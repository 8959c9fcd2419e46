"""A public download made a folder of NIfTI scans with split files of the published lists."""

from llmsegnet_bundle.prepare.datasets import DataSet, data_set
from llmsegnet_bundle.prepare.folder import prepare
from llmsegnet_bundle.prepare.layouts import Source
from llmsegnet_bundle.prepare.scan import Scan, load_scan

__all__ = ["DataSet", "Scan", "Source", "data_set", "load_scan", "prepare"]
