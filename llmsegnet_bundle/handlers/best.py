"""The weights that a run ships, the last or the best; those of others are kept first."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.engines import Workflow
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.networks.kept import keep_weights, restore_command
from llmsegnet_bundle.networks.weights import write_weights


class BestWeights:
    """Keep the weights of a network that are the last or the best yet.

    Args:
        network, model_file, folder, validator, select, description: as of `Checkpoint`.
        writes: False on all processes but one.

    Raises:
        ValueError: when `select` is another word than "last" or "best".
    """

    def __init__(
        self,
        network: nn.Module,
        model_file: Path,
        folder: str | Path,
        validator: Workflow,
        select: str,
        description: Mapping[str, Any] | None = None,
        writes: bool = True,
    ) -> None:
        if select not in ("last", "best"):
            raise ValueError(f"select: must be last or best, got {select!r}")
        self.network = network
        self.model_file = model_file
        self.folder = Path(folder)
        self.validator = validator
        self.select = select
        self.description = dict(description or {})
        self.writes = writes
        self.metric = -1.0  # the best so far; what MONAI's engines start from

    def forget_nan(self) -> None:
        """Let NaN, of labels without foreground, not be the best score: MONAI takes the first, and none beats it."""
        if math.isnan(self.validator.state.best_metric):
            self.validator.state.best_metric = self.metric

    def keep(self, engine: Workflow, run_id: str) -> None:
        """Write the weights if they are those that `select` chooses.

        Args:
            engine: the trainer.
            run_id: written beside the weights; those with another are of others.
        """
        state = self.validator.state
        score = float(state.metrics.get(state.key_metric_name, math.nan))
        best, unvalidated = float(state.best_metric) != self.metric, math.isnan(score)
        self.metric = float(state.best_metric)
        if self.writes and (best or unvalidated or self.select == "last"):
            selection = {"select": "last" if unvalidated else self.select, "step": engine.state.iteration}
            if not unvalidated:
                selection |= {"metric": state.key_metric_name, "value": score}
            self._keep_others(run_id)
            told = self.description | {"selection": selection, "run_id": run_id}
            write_weights(self.network.state_dict(), self.model_file, told)
        if self.writes and best:
            tqdm.write(f"step {engine.state.iteration}: best {state.key_metric_name} so far {state.best_metric:.4f}")

    def _keep_others(self, run_id: str) -> None:
        if kept := keep_weights(self.model_file, self.folder, run_id):
            undo = restore_command(kept, self.model_file)
            tqdm.write(f"{self.model_file} is not of this run and kept as {kept}; this puts it back: {undo}")
