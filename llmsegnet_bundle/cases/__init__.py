"""Which case is labeled, unlabeled, validation and test: read from a folder or a split file, made and checked."""

from llmsegnet_bundle.cases.checks import check_scans, fingerprint
from llmsegnet_bundle.cases.making import make_split
from llmsegnet_bundle.cases.organs import check_organs
from llmsegnet_bundle.cases.presets import Preset, preset, preset_lists, preset_names
from llmsegnet_bundle.cases.repeats import REPEATS, check_repeats, voxel_hash
from llmsegnet_bundle.cases.sources import images
from llmsegnet_bundle.cases.spacing import check_spacing
from llmsegnet_bundle.cases.split import (
    SPLITS,
    Datalist,
    Item,
    beside,
    digest,
    from_file,
    from_folder,
    item_files,
    load,
    part,
    unlabeled,
)
from llmsegnet_bundle.cases.values import LabelValues

__all__ = [
    "REPEATS",
    "SPLITS",
    "Datalist",
    "Item",
    "LabelValues",
    "Preset",
    "beside",
    "check_organs",
    "check_repeats",
    "check_scans",
    "check_spacing",
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
    "unlabeled",
    "voxel_hash",
]
