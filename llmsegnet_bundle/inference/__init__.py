"""Inference: windows over a scan, maps on its own grid, scan after scan of a folder."""

from llmsegnet_bundle.inference.asking import check_answer, map_postfixes
from llmsegnet_bundle.inference.maps import MapInferer
from llmsegnet_bundle.inference.scans import segment_scans
from llmsegnet_bundle.inference.windows import ProbabilityInferer, window_batch

__all__ = [
    "MapInferer",
    "ProbabilityInferer",
    "check_answer",
    "map_postfixes",
    "segment_scans",
    "window_batch",
]
