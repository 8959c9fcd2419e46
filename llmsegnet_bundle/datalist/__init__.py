"""Which scans are labeled, unlabeled, validation and test: read from a folder or a split file, made and checked."""

from llmsegnet_bundle.datalist.checks import check_scans, fingerprint, read_classes, read_scan
from llmsegnet_bundle.datalist.lists import (
    SPLITS,
    Datalist,
    Item,
    PathLike,
    beside,
    case_name,
    channel_files,
    digest,
    from_file,
    from_folder,
    item_files,
    load,
    scan_files,
    unlabeled,
)
from llmsegnet_bundle.datalist.making import make_split
from llmsegnet_bundle.datalist.repeats import check_repeats
from llmsegnet_bundle.datalist.sources import check_series, images

__all__ = [
    "SPLITS",
    "Datalist",
    "Item",
    "PathLike",
    "beside",
    "case_name",
    "channel_files",
    "check_repeats",
    "check_scans",
    "check_series",
    "digest",
    "fingerprint",
    "from_file",
    "from_folder",
    "images",
    "item_files",
    "load",
    "make_split",
    "read_classes",
    "read_scan",
    "scan_files",
    "unlabeled",
]
