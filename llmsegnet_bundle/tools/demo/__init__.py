"""The main job on phantom scans, and the table of what it gives with several seeds."""

from llmsegnet_bundle.tools.demo.live import demo
from llmsegnet_bundle.tools.demo.table import write_table

__all__ = ["demo", "write_table"]
