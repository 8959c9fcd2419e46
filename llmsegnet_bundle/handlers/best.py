"""The weights that a run ships: the last or the best."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.engines import Workflow
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.networks.weights import write_weights


class BestWeights:
    """Keep the weights of a network that are the last or the best yet.

    Args:
        network, model_file, validator, select, description: as of `Checkpoint`.
        writes: False on all processes but one.

    Raises:
        ValueError: when `select` is another word than "last" or "best".
    """

    def __init__(
        self,
        network: nn.Module,
        model_file: Path,
        validator: Workflow,
        select: str,
        description: Mapping[str, Any] | None = None,
        writes: bool = True,
    ) -> None:
        if select not in ("last", "best"):
            raise ValueError(f"select: must be last or best, got {select!r}")
        self.network = network
        self.model_file = model_file
        self.validator = validator
        self.select = select
        self.description = dict(description or {})
        self.writes = writes
        self.metric = -1.0  # the best so far; what MONAI's engines start from

    def keep(self, engine: Workflow) -> None:
        """Write the weights if they are those that `select` chooses."""
        state = self.validator.state
        best, unvalidated = float(state.best_metric) != self.metric, state.epoch_length == 0
        self.metric = float(state.best_metric)
        if self.writes and (best or unvalidated or self.select == "last"):
            selection = {"select": "last" if unvalidated else self.select, "step": engine.state.iteration}
            if state.key_metric_name in state.metrics:
                selection |= {"metric": state.key_metric_name, "value": float(state.metrics[state.key_metric_name])}
            write_weights(self.network.state_dict(), self.model_file, self.description | {"selection": selection})
        if self.writes and best:
            tqdm.write(f"step {engine.state.iteration}: best {state.key_metric_name} so far {state.best_metric:.4f}")
