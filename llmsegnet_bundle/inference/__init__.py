"""Inference: windows over a scan, scan after scan of a folder."""

from llmsegnet_bundle.inference.scans import segment_scans
from llmsegnet_bundle.inference.windows import ProbabilityInferer, window_batch

__all__ = ["ProbabilityInferer", "segment_scans", "window_batch"]
