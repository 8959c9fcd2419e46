"""What MONAI and ignite lack for step-based runs: the step limit, exact resume, progress, case scores, record."""

from llmsegnet_bundle.handlers.checkpoint import Checkpoint
from llmsegnet_bundle.handlers.progress import Progress, loss_terms
from llmsegnet_bundle.handlers.record import RunRecord
from llmsegnet_bundle.handlers.scores import CaseMetrics, CaseMetricsHandler
from llmsegnet_bundle.handlers.steps import StepLimit, SyncBuffers

__all__ = [
    "CaseMetrics",
    "CaseMetricsHandler",
    "Checkpoint",
    "Progress",
    "RunRecord",
    "StepLimit",
    "SyncBuffers",
    "loss_terms",
]
