"""A small plan, and commands that only leave the files of a run behind."""

import json
from pathlib import Path

from llmsegnet_bundle.ablation.plan import Plan, Variant

BUNDLE = Path(__file__).parents[2] / "bundles" / "left_atrium"
CLASSES = ("left atrium",)


def variant(name, common=None, **own):
    return Variant(name, (f"{name}.json",), own, (common or {}) | own, CLASSES)


def plan_of(folder, *variants, seeds=(1, 2), evaluation=None, **settings):
    return Plan(BUNDLE, Path(folder), seeds, {}, evaluation or {}, settings.get("metric", "dice"), variants)


def write_scores(folder, dice, hd95=2.0, kinds=CLASSES):
    """Write a metrics.csv in which case i has the Dice of dice[i]."""
    lines = ["case,class,dice,hd95_pooled_mm"]
    lines += [f"c{i},{kind},{value},{hd95}" for i, value in enumerate(dice) for kind in kinds]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")


class FakeCommands:
    """Notes each command as (run folder, stage); what `outcomes` has for it is returned or raised."""

    def __init__(self, outcomes=None, dice=(0.8, 0.6), steps=10):
        self.outcomes, self.dice, self.steps = outcomes or {}, dice, steps
        self.done = []

    def __call__(self, command, log):
        arguments = json.loads(Path(command[-1]).read_text(encoding="utf-8"))
        folder, stage = Path(arguments["output_dir"]).parent, Path(command[-1]).stem
        key = (f"{folder.parent.name}/{folder.name}", stage)
        self.done.append(key)
        outcome = self.outcomes.get(key, 0)
        log.write_text("working\nstep 1\rstep 2\rit went wrong\n\n")
        if isinstance(outcome, BaseException):
            raise outcome
        if not outcome and stage == "training":
            (folder / "eval").mkdir(exist_ok=True)
            record = {"total_steps": self.steps, "sessions": [{"last_step": self.steps, "device": "cpu, 1 threads"}]}
            (folder / "eval/run.json").write_text(json.dumps(record))
        elif not outcome:
            write_scores(folder / "eval", self.dice)
        return outcome
