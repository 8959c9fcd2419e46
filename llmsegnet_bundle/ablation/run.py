"""One run of an ablation: a variant with a seed, and what its folder tells of it."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llmsegnet_bundle.ablation.identity import identity
from llmsegnet_bundle.ablation.origin import now, origin
from llmsegnet_bundle.ablation.plan import Plan, Variant
from llmsegnet_bundle.commands import bundle_command
from llmsegnet_bundle.documents import EVALUATION_JSON, NUMBER, RUN_JSON, read_json
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.run import changed
from llmsegnet_bundle.settings.written import as_json

FILE = "variant.json"
RECORD = {"settings": {...: list}, "sessions": [{"stage": str, "seconds": NUMBER}]}
TRAINING, EVALUATING = "training", "evaluating"
Execute = Callable[[Sequence[str], Path], int]  # command, log -> exit status


class Run:
    """A variant with a seed; `variant.json` in its folder holds its settings, stages done, and each session.

    Args:
        plan: that it belongs to.
        variant: of the plan.
        seed: of the plan.

    Raises:
        ValueError: when its folder holds something else, or a run with other settings.
    """

    def __init__(self, plan: Plan, variant: Variant, seed: int) -> None:
        self.plan, self.variant, self.seed = plan, variant, seed
        self.name = f"{variant.name}, seed {seed}"
        self.folder = plan.folder(variant.name, seed)
        self.log = self.folder / "log.txt"
        self.settings = identity(plan, variant)
        self.record = self._read()

    @property
    def stages_left(self) -> list[str]:
        """What is still to do of training and evaluating."""
        if not self.record.get("trained"):
            return [TRAINING, EVALUATING]
        # without its scores, or with those of another evaluation, it is scored anew
        scored = (self.folder / "eval/metrics.csv").is_file()
        same = self.record.get("evaluation") == as_json(self.plan.evaluation)
        return [] if scored and same else [EVALUATING]

    @property
    def sessions(self) -> list[dict[str, Any]]:
        return list(self.record.get("sessions", ()))

    def seconds(self, stage: str) -> float:
        """Return how long a stage took, all its sessions together."""
        return float(sum(session["seconds"] for session in self.sessions if session["stage"] == stage))

    def training_record(self) -> dict[str, Any]:
        """Return the content of the `run.json` that its training wrote; empty when it wrote none."""
        return self._content("run.json", RUN_JSON)

    def evaluation_record(self) -> dict[str, Any]:
        """Return the content of the `evaluation.json` that its evaluation wrote; empty when it wrote none."""
        return self._content("evaluation.json", EVALUATION_JSON)

    def _content(self, name: str, shape: dict[Any, Any]) -> dict[str, Any]:
        try:
            return read_json(self.folder / "eval" / name, "", shape)
        except ValueError:
            return {}

    def do(self, stage: str, execute: Execute) -> None:
        """Run the command of a stage and note what came of it.

        Raises:
            ValueError: when it failed; the line names the log.
        """
        session = {"stage": stage, "started": now(), "seconds": 0.0, "status": None, **origin()}
        self.record = {
            "variant": self.variant.name,
            "seed": self.seed,
            "settings": self.settings,
            "trained": stage == EVALUATING,
            "evaluation": None,
            "sessions": [*self.sessions, session],
        }
        self._write()
        command = self._command(stage)
        began = time.monotonic()
        try:
            session["status"] = execute(command, self.log)
            self._check(stage, session["status"])
            if stage == TRAINING:
                self.record["trained"] = True
            else:
                self.record["evaluation"] = as_json(self.plan.evaluation)
        finally:
            session |= {"ended": now(), "seconds": round(time.monotonic() - began, 1)}
            self._write()

    def _command(self, stage: str) -> list[str]:
        own = {"output_dir": self.folder / "eval", "ckpt_dir": self.folder / "checkpoints", "seed": self.seed}
        # an overlay, so that what evaluate.json sets wins over what a training was given
        overrides = self.plan.fill(self.variant.overrides, self.seed)
        write_texts(self.folder, {"overrides.json": json.dumps(overrides, indent=1, default=str) + "\n"})
        configs = [*self.variant.configs, str(self.folder / "overrides.json")]
        if stage == TRAINING:
            return bundle_command(self.folder, stage, self.plan.bundle, configs, own | {"resume": True})
        configs.append(str(self.plan.bundle / "configs/evaluate.json"))
        own |= self.plan.fill(self.plan.evaluation, self.seed)
        return bundle_command(self.folder, stage, self.plan.bundle, configs, own)

    def _check(self, stage: str, status: int) -> None:
        if status:
            how = f"status {status}" if status > 0 else f"signal {-status}" + ", memory?" * (status == -9)
            raise ValueError(f"{self.name}: {stage} failed ({how}): {_last_line(self.log)}; {self.log}")
        if stage == EVALUATING:
            if not (self.folder / "eval/metrics.csv").is_file():
                raise ValueError(f"{self.name}: the evaluation left no {self.folder}/eval/metrics.csv; {self.log}")
            return
        record = self.training_record()
        sessions = record.get("sessions") or [{}]
        step, total = sessions[-1].get("last_step") or 0, record.get("total_steps")
        if total is None or step < total:  # stopped from outside: it saved and ended well
            raise ValueError(f"{self.name}: stopped at step {step} of {total}; the same command continues; {self.log}")

    def _read(self) -> dict[str, Any]:
        file = self.folder / FILE
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is a file; remove it, or give {self.variant.name} another name")
        if not file.is_file():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise ValueError(f"{self.folder} has files but no {FILE}; give {self.variant.name} another name")
            return {}
        advice = "remove the folder, and its run starts anew"
        record = read_json(file, advice, RECORD)
        if (earlier := record.get("settings")) is None:
            raise ValueError(f"{file} has no settings; {advice}")
        if told := changed(earlier, self.settings):
            raise ValueError(f"{self.folder} is another run: {'; '.join(told)}; give another name or remove the folder")
        return record

    def _write(self) -> None:
        write_texts(self.folder, {FILE: json.dumps(self.record, indent=1) + "\n"})


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
    except OSError:
        return "no output"
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "no output")
