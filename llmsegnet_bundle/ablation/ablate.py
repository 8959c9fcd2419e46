"""All runs of a plan, one after the other, and their table."""

from collections.abc import Callable, Sequence
from pathlib import Path

from llmsegnet_bundle.ablation.child import Commands, Stopped
from llmsegnet_bundle.ablation.plan import Plan
from llmsegnet_bundle.ablation.reading import read_plan
from llmsegnet_bundle.ablation.run import EVALUATING, TRAINING, Execute, Run
from llmsegnet_bundle.ablation.table import TABLES, write_table
from llmsegnet_bundle.files import refuse_input
from llmsegnet_bundle.locks import locked


def ablate(plan_file: str | Path, check: bool = False) -> None:
    """Train and evaluate each variant of a plan with each seed, and write the table after every run.

    What is done is skipped and what was stopped is continued. A run that fails does not keep the others from theirs.

    Args:
        plan_file: docs/ablation.md has its keys.
        check: only check the plan and print its runs.

    Raises:
        ValueError: with a line for each fault of the plan, before anything runs; after the last run, with a line for
            each that failed; or when it was stopped.
    """
    plan = read_plan(plan_file)
    for name in TABLES:
        refuse_input(plan.output_dir / name, [plan_file])
    runs = plan_runs(plan)
    if check:
        for run in runs:
            print(f"{run.name}: {_state(run)}; {run.folder}")
        return
    # the commands hold it too, and so against those that outlive a killed ablation
    with locked(plan.output_dir, "ablation", "output_dir") as lock, Commands([lock]) as commands:
        run_all(plan, runs, commands)


def plan_runs(plan: Plan) -> list[Run]:
    """Return the runs in their order: all variants with the first seed, then with the next.

    Raises:
        ValueError: with a line for each run whose folder holds something else.
    """
    runs, faults = [], []
    for seed in plan.seeds:
        for variant in plan.variants:
            try:
                runs.append(Run(plan, variant, seed))
            except ValueError as error:
                faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
    return runs


def run_all(plan: Plan, runs: Sequence[Run], execute: Execute, say: Callable[[str], None] | None = None) -> None:
    """Do what is left of each run, and write the table after each.

    Args:
        plan: of the runs.
        runs: in order.
        execute: runs a command with its output in a log, and returns its exit status.
        say: takes a line for the person who waits; None prints it.

    Raises:
        ValueError: as `ablate`.
    """
    say = say or _print
    failures: dict[tuple[str, int], str] = {}
    table = write_table(plan, runs)  # damaged scores are told before hours of work
    for i, run in enumerate(runs):
        told = f"[{i + 1}/{len(runs)}] {run.name}"
        if not run.stages_left:
            say(f"{told}: is done")
            continue
        if lost := [name for name in run.variant.starts_from if (name, run.seed) in failures]:
            failures[run.variant.name, run.seed] = f"{run.name}: not run, as it starts from {lost[0]}, which failed"
            say(failures[run.variant.name, run.seed])
            continue
        try:
            for stage in run.stages_left:
                say(f"{told}: {stage}; {time_left(runs[i:], runs)}; {run.log}")
                run.do(stage, execute)
        except Stopped:
            write_table(plan, runs)
            raise ValueError(f"stopped in {run.name}; the same command continues") from None
        except ValueError as error:
            failures[run.variant.name, run.seed] = str(error)
            say(f"{told}: failed; the others go on")
        table = write_table(plan, runs)
    say(table.read_text(encoding="utf-8") + f"\nwritten to {table}, and as CSV and JSON beside it")
    if failures:
        raise ValueError("\n".join(failures.values()))


def time_left(left: Sequence[Run], runs: Sequence[Run]) -> str:
    """Return in words how long the runs that are left will take, from those that are finished.

    A run takes as long as the finished ones of its variant, or else as all finished ones, less what it has done.
    """
    finished: dict[str, list[float]] = {}
    for run in runs:
        if not run.stages_left:
            finished.setdefault(run.variant.name, []).append(_seconds(run))
    times = [seconds for group in finished.values() for seconds in group]
    if not times:
        return "time left is known after the first run"
    seconds = 0.0
    for run in (run for run in left if run.stages_left):
        like = finished.get(run.variant.name, times)
        seconds += max(0.0, sum(like) / len(like) - _seconds(run))
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes:02} min left"


def _seconds(run: Run) -> float:
    return run.seconds(TRAINING) + run.seconds(EVALUATING)


def _state(run: Run) -> str:
    if not run.stages_left:
        return "done"
    if not run.sessions:
        return "to do"
    return "trained, to be evaluated" if run.stages_left == [EVALUATING] else "begun, to be continued"


def _print(line: str) -> None:
    print(line, flush=True)
