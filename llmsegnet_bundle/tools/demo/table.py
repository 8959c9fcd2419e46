"""The committed table: the demo's trainings and a second baseline with several seeds."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from llmsegnet_bundle.ablation import Run, machines, shown_commit
from llmsegnet_bundle.files import write_texts
from llmsegnet_bundle.tools.demo.case import ALONE, CASE, COMMON, METHOD, PAIR, PAIR_ALONE, mean_dice, train

TABLE = Path(__file__).resolve().parents[3] / "docs" / "demo.md"
SEEDS = (0, 1, 2)
SHOWN = "## Three seeds"  # from here on the demo shows the table beside its own run


def write_table(folder: Path, seeds: Sequence[int] = SEEDS, file: Path = TABLE) -> None:
    """Train the pair and both baselines with several seeds, and write what they gave.

    Args:
        folder: of the demo; what was trained there is not trained again.
        seeds: two or more, each of scans and trainings.
        file: Markdown.

    Raises:
        ValueError: as `case.train`.
    """
    runs = train(folder, [PAIR, PAIR_ALONE, ALONE], seeds)
    dice = {name: [mean_dice(runs[name, seed]) for seed in seeds] for name in (PAIR, PAIR_ALONE, ALONE)}
    write_texts(file.parent, {file.name: "\n".join([*_head(runs[PAIR, seeds[0]]), *describe(dice, seeds)]) + "\n"})
    print(f"\nwritten to {file}")


def describe(dice: dict[str, list[float]], seeds: Sequence[int]) -> list[str]:
    """Return the lines of the table.

    Args:
        dice: mean Dice by variant, then by seed.
        seeds: in the same order.
    """
    columns = dict(dice)
    for name in (PAIR_ALONE, ALONE):
        columns[f"gain over {name}"] = [ours - other for ours, other in zip(dice[PAIR], dice[name], strict=True)]
    lines = [SHOWN, "", f"| seed | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for i, seed in enumerate(seeds):
        lines.append(f"| {seed} | {' | '.join(_shown(name, values[i]) for name, values in columns.items())} |")
    spreads = [f"{_shown(name, fmean(values))} ± {stdev(values):.3f}" for name, values in columns.items()]
    told = [judge(name, columns[f"gain over {name}"]) for name in (ALONE, PAIR_ALONE)]
    return [*lines, f"| mean ± std | {' | '.join(spreads)} |", "", *told]


def judge(name: str, gains: Sequence[float]) -> str:
    """Return the sentence that the gains over a baseline, one a seed, allow: a gain only beyond their spread."""
    mean, spread = fmean(gains), stdev(gains)
    told = f"{mean:+.3f} ± {spread:.3f} Dice, {min(gains):+.3f} to {max(gains):+.3f}"
    if min(gains) > 0 and mean > 2 * spread:
        return f"Against {name}: LLM-SegNet gains more than the spread over the seeds ({told})."
    return f"Against {name}: no gain beyond the spread over the seeds ({told})."


def verdict(gain: float) -> str:
    """Return how one run compares, in words."""
    word = "better than" if gain > 0.01 else "worse than" if gain < -0.01 else "no different from"
    return f"{word} ({gain:+.3f})"


def read_table() -> list[str]:
    """Return the lines of the committed table, for the demo to show; none where there is no table."""
    if not TABLE.is_file():
        return []
    text = TABLE.read_text(encoding="utf-8")
    return ["", *text[text.index(SHOWN) :].splitlines()]


def _head(run: Run) -> list[str]:
    session = run.sessions[-1]
    settings = [f"- {name}: {', '.join(f'`{k}: {v}`' for k, v in part.items())}" for name, part in _SETTINGS.items()]
    return [
        "# The demo",
        "",
        f"{CASE}. Scans and trainings of a seed differ from those of another. It tells of this case alone, and "
        "phantoms are no patients. In the other cases tried, 1 to 8 labeled scans and other scanners, unlabeled scans "
        "brought a finished pair no gain that a second seed repeated, and harmed one in mid-run "
        "([recipe.md](recipe.md#in-mid-run-or-to-a-finished-pair)); on real scans of three patients they gained "
        "([ACDC](recipe.md#co-training-on-acdc-3-patients)).",
        "",
        "`python -m llmsegnet_bundle demo` trains LLM-SegNet and V-Net with one seed and shows them beside this table, "
        f"which `python -m llmsegnet_bundle demo --table` wrote on {session['ended'][:10]}, commit "
        f"{shown_commit(session)} ({', '.join(machines([run]))}). The same seed on another machine, or with another "
        "number of threads, is another training.",
        "",
        *settings,
        "",
    ]


def _shown(name: str, value: float) -> str:
    return f"{value:+.3f}" if name.startswith("gain") else f"{value:.3f}"


_SETTINGS = {"all trainings": COMMON, PAIR: METHOD}
