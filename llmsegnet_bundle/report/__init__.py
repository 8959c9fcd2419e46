"""What a person looks at: a run as one HTML page that needs no network, and pictures of results."""

from llmsegnet_bundle.report.overlay import overlay
from llmsegnet_bundle.report.viewer import write_viewer
from llmsegnet_bundle.report.write import write_report

__all__ = ["overlay", "write_report", "write_viewer"]
