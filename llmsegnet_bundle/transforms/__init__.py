"""Transforms that MONAI lacks: to the working grid and back, crops in one resampling, what becomes of an answer."""

from llmsegnet_bundle.transforms.answer import (
    AlignLabeld,
    FillBackgroundd,
    MarkUncertaind,
    SaveCased,
    SplitMapsd,
    Uncertaintyd,
)
from llmsegnet_bundle.transforms.chain import chain
from llmsegnet_bundle.transforms.check import CheckScand
from llmsegnet_bundle.transforms.compact import CompactFractionsd
from llmsegnet_bundle.transforms.crop import AffineCropd
from llmsegnet_bundle.transforms.dicom import SaveDicomSegd
from llmsegnet_bundle.transforms.grid import WorkingGridd
from llmsegnet_bundle.transforms.merging import MergeLabelsd
from llmsegnet_bundle.transforms.organ import OrganIndexd

__all__ = [
    "AffineCropd",
    "AlignLabeld",
    "CheckScand",
    "CompactFractionsd",
    "FillBackgroundd",
    "MarkUncertaind",
    "MergeLabelsd",
    "OrganIndexd",
    "SaveCased",
    "SaveDicomSegd",
    "SplitMapsd",
    "Uncertaintyd",
    "WorkingGridd",
    "chain",
]
