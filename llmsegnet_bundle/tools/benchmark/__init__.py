"""What the package costs against what its peers do: both sides measured in one run, each in a process of its own."""

from llmsegnet_bundle.tools.benchmark.table import benchmark

__all__ = ["benchmark"]
