"""Every choice of the recipe, shown: variants times seeds, one table."""

from llmsegnet_bundle.ablation.ablate import ablate
from llmsegnet_bundle.ablation.reading import read_plan

__all__ = ["ablate", "read_plan"]
