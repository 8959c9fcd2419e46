"""Inference: windows over a scan, maps on its own grid, scan after scan of a folder."""

from llmsegnet_bundle.inference.maps import MapInferer
from llmsegnet_bundle.inference.scans import segment_scans
from llmsegnet_bundle.inference.windows import ProbabilityInferer, window_batch

__all__ = ["MapInferer", "ProbabilityInferer", "segment_scans", "window_batch"]
