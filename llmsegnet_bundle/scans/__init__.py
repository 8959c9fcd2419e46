"""One scan: how it is named, read and written; alone knows formats and headers."""

from llmsegnet_bundle.scans.finding import is_scan, scan_files
from llmsegnet_bundle.scans.labels import read_classes
from llmsegnet_bundle.scans.naming import PathLike, case_name, channel_files
from llmsegnet_bundle.scans.reading import Volume, check_varies, read_channels, read_image, read_scan

__all__ = [
    "PathLike",
    "Volume",
    "case_name",
    "channel_files",
    "check_varies",
    "is_scan",
    "read_channels",
    "read_classes",
    "read_image",
    "read_scan",
    "scan_files",
]
