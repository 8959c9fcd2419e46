"""Inference: windows over a scan, scan after scan of a folder."""

from llmsegnet_bundle.inference.asking import asks_in_turn, check_answer, map_postfixes
from llmsegnet_bundle.inference.scans import segment_scans
from llmsegnet_bundle.inference.windows import ProbabilityInferer, free_bytes, window_batch

__all__ = [
    "ProbabilityInferer",
    "asks_in_turn",
    "check_answer",
    "free_bytes",
    "map_postfixes",
    "segment_scans",
    "window_batch",
]
