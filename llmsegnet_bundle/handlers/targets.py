"""Targets of the unlabeled scans, answered over whole scans once in a while instead of on each crop."""

import copy
import math
import time
from collections.abc import Sequence
from typing import Any

from ignite.engine import Events
from monai.engines import Workflow
from monai.inferers import Inferer
from torch import nn
from tqdm import tqdm

from llmsegnet_bundle.inference.doubts import soft_gap
from llmsegnet_bundle.loading import TwoStreamDataset
from llmsegnet_bundle.networks.start import start_from

KINDS = ("crop", "scan", "scan_mean")


class ScanTargets:
    """Let a frozen copy of the pair answer on each unlabeled scan, and keep its probabilities with the scan.

    Windows over the whole scan answer at the border of a crop as well as at its center, and a training step then needs
    no pass without gradient. The copy is made anew every so many steps, or never with a `teacher`, whose answers the
    pair learns from to the end (noisy student, Xie et al., CVPR 2020); it is part of the state, so that a continued run
    learns from the targets that it had.

    With `reliable` below 1 crops are drawn from that share of the unlabeled scans alone (of each organ's, where there
    are several): those whose answers have the least `soft_gap` of `inference.doubts`, chosen anew each time. Scans
    that the networks get wrong as a whole teach them their errors (ST++, Yang et al., CVPR 2022, leaves them out by how
    much the masks of a training's stages differ).

    Args:
        dataset: gets the targets; workers that draw crops from it start anew.
        network: the pair, or its average.
        inferer: `ProbabilityInferer` with `members`.
        kind: "scan" for the answers of alpha and of beta, each its peer's target; "scan_mean" for the mean of both in
            their places; "crop" for none of this, as in the paper: peers answer on the crop.
        every: steps between two renewals.
        start: steps before the first.
        teacher: weights of a network like this one, as those of `start_from`; None for the pair itself.
        crops: of unlabeled scans in a step; without any no scan is answered.
        reliable: share of the unlabeled scans that are learned from, above 0, at most 1; "crop" learns from all.

    Raises:
        ValueError: when `kind` is another word, `every` is below 1, `reliable` is not in (0, 1], or `teacher` goes with
            "crop".
    """

    def __init__(
        self,
        dataset: TwoStreamDataset,
        network: nn.Module,
        inferer: Inferer,
        kind: str = "scan",
        every: int = 500,
        start: int = 0,
        teacher: str | Sequence[str] | None = None,
        crops: int = 1,
        reliable: float = 1.0,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"targets: must be {', '.join(KINDS)}, got {kind!r}")
        if every < 1:
            raise ValueError(f"target_every: must be at least 1, got {every}")
        if not 0 < reliable <= 1:
            raise ValueError(f"reliable: must be above 0, at most 1, got {reliable}")
        if teacher and kind == "crop":
            raise ValueError("teacher: answers on whole scans; give --targets scan_mean or scan")
        self.dataset, self.network, self.inferer = dataset, network, inferer
        self.kind, self.start, self.crops, self.reliable = kind, start, crops, reliable
        self.every: float = every
        self.teacher: nn.Module | None = None
        if teacher:
            self.teacher, self.every = copy.deepcopy(network), math.inf
            start_from(self.teacher, teacher, "teacher")
        self.renewal = -1  # of the targets that the dataset has

    def attach(self, engine: Workflow) -> None:
        if self.kind != "crop" and self.crops and len(self.dataset) > self.dataset.labeled:
            engine.add_event_handler(Events.GET_BATCH_STARTED, self)

    def __call__(self, engine: Workflow) -> None:
        waited = engine.state.iteration - self.start
        if waited < 0 or waited // self.every == self.renewal:
            return
        if self.teacher is None or (self.every < math.inf and waited % self.every == 0):
            self.teacher = copy.deepcopy(self.network)
        self._answer(engine)
        self.renewal = waited // self.every
        self._draw_anew(engine)

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
        gaps: dict[int, dict[int, float]] = {}  # organ -> scan -> doubt
        for scan in scans:
            organ = self.dataset.organ(scan)
            text = () if organ is None else (organ[None],)
            probs = self.inferer(self.dataset.image(scan)[None].to(engine.state.device), self.teacher, *text)[0]
            alpha, beta = probs.chunk(2)
            mean = (alpha + beta) / 2
            if self.reliable < 1:
                gaps.setdefault(0 if organ is None else int(organ), {})[scan] = soft_gap(mean.float())
            self.dataset.set_target(scan, mean.repeat(2, 1, 1, 1) if self.kind == "scan_mean" else probs)
        if self.reliable < 1:
            self.dataset.trust([scan for of_organ in gaps.values() for scan in self._least(of_organ)])
        if self.renewal < 0:
            again = f", every {self.every} steps" if self.every < math.inf else ""
            taught = f"; the {len(self.dataset.trusted)} of least doubt teach" if self.reliable < 1 else ""
            tqdm.write(f"targets of {len(scans)} unlabeled scans in {time.monotonic() - began:.0f} s{again}{taught}")

    def _least(self, gaps: dict[int, float]) -> list[int]:
        return sorted(sorted(gaps, key=gaps.__getitem__)[: math.ceil(self.reliable * len(gaps))])

    def _draw_anew(self, engine: Workflow) -> None:
        # worker processes have copies of the dataset as it was, and batches ahead: new ones begin at this step
        loader: Any = engine.state.dataloader
        if getattr(loader, "num_workers", 0):
            loader.batch_sampler.start_step = engine.state.iteration
            engine.set_data(loader)
