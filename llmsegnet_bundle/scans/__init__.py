"""One scan: how it is named, read and written; alone knows formats and headers."""

from llmsegnet_bundle.scans.labels import read_classes
from llmsegnet_bundle.scans.naming import SUFFIXES, PathLike, case_name, channel_files, scan_files
from llmsegnet_bundle.scans.reading import read_image, read_scan

__all__ = [
    "SUFFIXES",
    "PathLike",
    "case_name",
    "channel_files",
    "read_classes",
    "read_image",
    "read_scan",
    "scan_files",
]
