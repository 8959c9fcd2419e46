"""Overlap, volumes and surface distances of each case: stated units, conventions and miss policy."""

from llmsegnet_bundle.metrics.case import DISTANCES, KEYS, MEASURES, case_metrics, class_metrics
from llmsegnet_bundle.metrics.table import PRESETS, CaseTable, interval_95

__all__ = [
    "DISTANCES",
    "KEYS",
    "MEASURES",
    "PRESETS",
    "CaseTable",
    "case_metrics",
    "class_metrics",
    "interval_95",
]
