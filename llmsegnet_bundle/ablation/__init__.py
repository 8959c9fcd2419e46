"""Every choice of the recipe, shown: variants times seeds, one table."""

from llmsegnet_bundle.ablation.ablate import ablate, plan_runs
from llmsegnet_bundle.ablation.reading import read_plan
from llmsegnet_bundle.ablation.run import Run
from llmsegnet_bundle.ablation.table import machines, shown_commit

__all__ = ["Run", "ablate", "machines", "plan_runs", "read_plan", "shown_commit"]
