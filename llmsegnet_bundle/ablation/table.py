"""The table of an ablation, as Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsegnet_bundle.ablation.plan import Plan
from llmsegnet_bundle.ablation.run import Run
from llmsegnet_bundle.ablation.scores import DISTANCE, against, dice_by_text, run_scores, summary, swap_test
from llmsegnet_bundle.files import write_texts

Rows = dict[str, dict[str, Any]]  # variant -> its numbers
TABLES = ("table.md", "table.csv", "table.json")
FRACTIONS = ("dice", "jaccard", "surface_dice")  # shown in percent
COLUMNS = ("variant", "seeds", "cases", "mean", "std", "difference", "low", "high", "distance_mm", "steps", "hours")


def write_table(plan: Plan, runs: Iterable[Run]) -> Path:
    """Write `table.md`, `table.csv` and `table.json` of the runs that are finished, and return the first.

    Raises:
        ValueError: when the scores of a run are damaged.
    """
    done: dict[str, list[Run]] = {variant.name: [] for variant in plan.variants}
    for run in runs:
        if not run.stages_left:
            done[run.variant.name].append(run)
    scores = {name: [run_scores(run) for run in finished] for name, finished in done.items()}
    first = scores[plan.variants[0].name]
    rows: Rows = {}
    for i, (name, finished) in enumerate(scores.items()):
        commits = dict.fromkeys(shown_commit(session) for run in done[name] for session in run.sessions)
        rows[name] = summary(finished) | {"against_first": against(first, finished) if i else None}
        rows[name] |= {"commits": list(commits), "machines": machines(done[name])}
        records = [run.evaluation_record() for run in done[name]]
        rows[name] |= {"swap_text": swap_test(records), "dice_by_text": dice_by_text(records)}
    texts = dict(zip(TABLES, (_markdown(plan, rows), _csv(rows), _json(plan, rows)), strict=True))
    write_texts(plan.output_dir, texts)
    return plan.output_dir / "table.md"


def shown(metric: str, value: float | None, sign: str = "") -> str:
    """Return a value of a metric as the table shows it: fractions in percent."""
    if value is None:
        return "-"
    return f"{100 * value:{sign}.1f}" if metric in FRACTIONS else f"{value:{sign}.2f}"


def _markdown(plan: Plan, rows: Rows) -> str:
    metric, first = plan.metric, plan.variants[0].name
    unit = " %" if metric in FRACTIONS else ""
    titles = ["variant", "seeds", f"{metric}{unit}, mean ± std", f"against {first} [95 % interval]"]
    titles += ["HD95 mm", "steps", "hours", "commit"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for name, row in rows.items():
        spread = "" if row["std"] is None else f" ± {shown(metric, row['std'])}"
        distance, hours = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("distance_mm", "hours"))
        seeds = f"{len(row['seeds'])} of {len(plan.seeds)}"
        cells = [name, seeds, shown(metric, row["mean"]) + spread, _difference(metric, row["against_first"]), distance]
        lines.append(_line([*cells, str(row["steps"] or "-"), hours, ", ".join(row["commits"]) or "-"]))
    return "\n".join([*lines, "", *_notes(plan, rows), "", *_organs(rows), *_settings(plan)]) + "\n"


def _difference(metric: str, entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["difference"] is None:
        return "-"
    interval = entry["interval_95"] and [shown(metric, end, "+") for end in entry["interval_95"]]
    return shown(metric, entry["difference"], "+") + (f" [{interval[0]}, {interval[1]}]" if interval else "")


def _notes(plan: Plan, rows: Rows) -> list[str]:
    cases = sorted({row["cases"] for row in rows.values() if row["cases"]})
    machines = dict.fromkeys(machine for row in rows.values() for machine in row["machines"])
    classes = dict.fromkeys(", ".join(variant.classes) for variant in plan.variants)
    lines = [
        f"Scans scored: {' or '.join(map(str, cases)) or 'none yet'}; classes: {' or '.join(classes)}. "
        f"{plan.metric} and HD95 ({DISTANCE}) are means over the classes, then the scans, then the seeds; "
        "std is that of the seeds (n - 1).",
        "Differences: each scan's mean over the seeds that both variants have, paired by scan; interval: bootstrap "
        "over the scans, so that it does not hold what another seed or machine changes. Hours: of a training, mean "
        "over the seeds.",
        f"Machine: {'; '.join(machines) or '-'}.",
    ]
    for word in dict.fromkeys(word for row in rows.values() for word in row["swap_text"]):
        told = [f"{name} {100 * row['swap_text'][word]:+.1f}" for name, row in rows.items() if word in row["swap_text"]]
        lines.append(f"Swap test, Dice % with the right text minus with that of {word}: {', '.join(told)}.")
    commits = dict.fromkeys(commit for row in rows.values() for commit in row["commits"])
    if any(commit.endswith("+") for commit in commits):
        lines.append("A + after a commit: its files had changes that no commit holds.")
    if len(commits) > 1:
        lines.append("**The runs are of several commits**: what changed between them may be in the differences.")
    return lines


def _organs(rows: Rows) -> list[str]:
    """Return a table of the swap test, an organ in each column; empty without one."""
    names = {name: row["dice_by_text"] for name, row in rows.items() if row["dice_by_text"]}
    organs = list(dict.fromkeys(organ for texts in names.values() for dice in texts.values() for organ in dice))
    if not organs:
        return []
    titles = ["variant", "text given", *(f"{organ}, Dice %" for organ in organs)]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for name, texts in names.items():
        for text, dice in texts.items():
            lines.append(_line([name, text, *(shown("dice", dice.get(organ)) for organ in organs)]))
    return [*lines, ""]


def _settings(plan: Plan) -> list[str]:
    lines = [f"Bundle {plan.bundle}; seeds {', '.join(map(str, plan.seeds))}.", ""]
    lines += [f"- common: {_told(plan.common)}", f"- evaluation: {_told(plan.evaluation)}"]
    for variant in plan.variants:
        configs = " + ".join(Path(config).name for config in variant.configs)
        lines.append(f"- **{variant.name}**: {configs}" + (f"; {_told(variant.own)}" if variant.own else ""))
    return lines


def _told(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}: {json.dumps(value, default=str)}`" for key, value in overrides.items()) or "nothing"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for name, row in rows.items():
        entry = row["against_first"] or {}
        low, high = entry.get("interval_95") or (None, None)
        told = {"variant": name, "seeds": len(row["seeds"]), "difference": entry.get("difference")}
        writer.writerow(row | told | {"low": low, "high": high})
    return text.getvalue()


def _json(plan: Plan, rows: Rows) -> str:
    told = {
        "bundle": str(plan.bundle),
        "metric": plan.metric,
        "seeds": plan.seeds,
        "common": plan.common,
        "evaluation": plan.evaluation,
        "variants": {
            variant.name: {"configs": variant.configs, "overrides": variant.own, "classes": variant.classes}
            | rows[variant.name]
            for variant in plan.variants
        },
    }
    return json.dumps(told, indent=1, default=str) + "\n"


def shown_commit(session: Mapping[str, Any]) -> str:
    """Return the commit that a session of a run had, a `+` where files were changed; or the version of the package."""
    commit = session["commit"]
    return f"version {session['version']}" if commit is None else commit[:7] + "+" * bool(session["changed"])


def machines(runs: Sequence[Run]) -> list[str]:
    """Return device, threads, cores and arithmetic of runs, each machine once."""
    told = {}
    for run in runs:
        devices = dict.fromkeys(session.get("device", "?") for session in run.training_record().get("sessions", ()))
        machine = run.sessions[-1]["machine"]
        arithmetic = "bfloat16" if machine["bfloat16"] else "float32"
        told[f"{', '.join(devices)}; {machine['cores']} cores; {arithmetic}"] = True
    return list(told)
