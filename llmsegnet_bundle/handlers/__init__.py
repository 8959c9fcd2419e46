"""What MONAI and ignite lack for step-based runs, a handler a file."""

from llmsegnet_bundle.handlers.average import Average
from llmsegnet_bundle.handlers.checkpoint import Checkpoint
from llmsegnet_bundle.handlers.curves import Curves
from llmsegnet_bundle.handlers.held import HeldFolders
from llmsegnet_bundle.handlers.progress import Progress, announce, loss_terms
from llmsegnet_bundle.handlers.record import RunRecord
from llmsegnet_bundle.handlers.scores import CaseMetrics, CaseMetricsHandler
from llmsegnet_bundle.handlers.share import TextShare
from llmsegnet_bundle.handlers.steps import StepLimit, SyncBuffers
from llmsegnet_bundle.handlers.swap import SwapText
from llmsegnet_bundle.handlers.targets import ScanTargets

__all__ = [
    "Average",
    "CaseMetrics",
    "CaseMetricsHandler",
    "Checkpoint",
    "Curves",
    "HeldFolders",
    "Progress",
    "RunRecord",
    "ScanTargets",
    "StepLimit",
    "SwapText",
    "SyncBuffers",
    "TextShare",
    "announce",
    "loss_terms",
]
