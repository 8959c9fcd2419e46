"""Targets of the unlabeled scans, answered over whole scans once in a while instead of on each crop."""

import copy
import time
from typing import Any

from ignite.engine import Events
from monai.engines import Workflow
from monai.inferers import Inferer
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.loading import TwoStreamDataset

KINDS = ("crop", "scan", "scan_mean")


class ScanTargets:
    """Let a frozen copy of the pair answer on each unlabeled scan, and keep its probabilities with the scan.

    Windows over the whole scan answer at the border of a crop as well as at its center, and a training step then needs
    no pass without gradient. The copy is made anew every so many steps; it is part of the state, so that a continued
    run learns from the targets that it had.

    Args:
        dataset: gets the targets; crops must be drawn in this process.
        network: the pair, or its average.
        inferer: `ProbabilityInferer` with `members`.
        kind: "scan" for the answers of alpha and of beta, each its peer's target; "scan_mean" for the mean of both in
            their places; "crop" for none of this, as in the paper: peers answer on the crop.
        every: steps between two renewals.
        start: steps before the first.

    Raises:
        ValueError: when `kind` is another word, or `every` is below 1.
    """

    def __init__(
        self,
        dataset: TwoStreamDataset,
        network: nn.Module,
        inferer: Inferer,
        kind: str = "scan",
        every: int = 500,
        start: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"targets: must be {', '.join(KINDS)}, got {kind!r}")
        if every < 1:
            raise ValueError(f"target_every: must be at least 1, got {every}")
        self.dataset, self.network, self.inferer = dataset, network, inferer
        self.kind, self.every, self.start = kind, every, start
        self.teacher: nn.Module | None = None
        self.renewal = -1  # of the targets that the dataset has

    def attach(self, engine: Workflow) -> None:
        if self.kind != "crop" and len(self.dataset) > self.dataset.labeled:
            engine.add_event_handler(Events.GET_BATCH_STARTED, self)

    def __call__(self, engine: Workflow) -> None:
        waited = engine.state.iteration - self.start
        if waited < 0 or waited // self.every == self.renewal:
            return
        if self.teacher is None or waited % self.every == 0:
            self.teacher = copy.deepcopy(self.network)
        self._answer(engine)
        self.renewal = waited // self.every

    def state_dict(self) -> dict[str, Any]:
        return {} if self.teacher is None else self.teacher.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.teacher = copy.deepcopy(self.network)
            self.teacher.load_state_dict(state)

    def _answer(self, engine: Workflow) -> None:
        assert self.teacher is not None
        began, scans = time.monotonic(), range(self.dataset.labeled, len(self.dataset))
        self.teacher.eval()
        for scan in scans:
            organ = self.dataset.organ(scan)
            text = () if organ is None else (organ[None],)
            probs = self.inferer(self.dataset.image(scan)[None].to(engine.state.device), self.teacher, *text)[0]
            if self.kind == "scan_mean":
                alpha, beta = probs.chunk(2)
                probs = ((alpha + beta) / 2).repeat(2, 1, 1, 1)
            self.dataset.set_target(scan, probs)
        if self.renewal < 0:
            tqdm.write(
                f"targets of {len(scans)} unlabeled scans in {time.monotonic() - began:.0f} s, every {self.every} steps"
            )
