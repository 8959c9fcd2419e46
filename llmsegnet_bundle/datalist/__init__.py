"""Which scans are labeled, unlabeled, validation and test: read from a folder or a split file, made and checked."""

from llmsegnet_bundle.datalist.checks import check_scans, fingerprint, read_classes, read_image, read_scan
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
    part,
    scan_files,
    unlabeled,
)
from llmsegnet_bundle.datalist.making import make_split
from llmsegnet_bundle.datalist.presets import Preset, preset, preset_lists, preset_names
from llmsegnet_bundle.datalist.repeats import REPEATS, check_repeats, voxel_hash
from llmsegnet_bundle.datalist.sources import images

__all__ = [
    "REPEATS",
    "SPLITS",
    "Datalist",
    "Item",
    "PathLike",
    "Preset",
    "beside",
    "case_name",
    "channel_files",
    "check_repeats",
    "check_scans",
    "digest",
    "fingerprint",
    "from_file",
    "from_folder",
    "images",
    "item_files",
    "load",
    "make_split",
    "part",
    "preset",
    "preset_lists",
    "preset_names",
    "read_classes",
    "read_image",
    "read_scan",
    "scan_files",
    "unlabeled",
    "voxel_hash",
]
