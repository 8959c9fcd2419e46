"""What a user may set: one table, checked at the start of a run and told."""

from llmsegnet_bundle.settings.check import check, value_fault
from llmsegnet_bundle.settings.config import evaluated_config, has_id
from llmsegnet_bundle.settings.table import Setting, nearest, read_table

__all__ = ["Setting", "check", "evaluated_config", "has_id", "nearest", "read_table", "value_fault"]
