"""The benchmarks by name: each measures both sides in one run and tells them with their ratio."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from llmsegnet_bundle.cases import from_folder
from llmsegnet_bundle.files import whole_file
from llmsegnet_bundle.precision import has_bf16
from llmsegnet_bundle.scans import case_name
from llmsegnet_bundle.tools.benchmark import big, many, processes, scan, start, step
from llmsegnet_bundle.tools.benchmark.measure import in_fresh_process

LA_8 = (2, 2)
AUTHORS = (4, 4)
MANY = (50, 100)  # scans
MANY_SIDE = 192  # voxels
BIG = (512, 512, 600)  # voxels
BIG_GB = {2: 4.0, 14: 8.0}  # number of classes -> the most that a mask of such a scan may take


class Row(NamedTuple):
    """A measured pair: what, the other side, ours, and what the ratio of both is."""

    what: str
    other: str
    ours: str
    ratio: str


class Settings(NamedTuple):
    """What the benchmarks are run with; see `benchmark`."""

    crop: Sequence[int]
    repeats: int
    bundle: str
    dataset_dir: str
    scans: int
    plot: str


def benchmark(
    what: str = "step",
    crop: Sequence[int] = (112, 112, 80),
    repeats: int = 2,
    bundle: str = "bundles/left_atrium",
    dataset_dir: str = "../shared/data/left_atrium",
    scans: int = 1,
    plot: str = "",
) -> None:
    """Measure `what` on this machine and print a table row for each figure.

    Args:
        what: a key of `BENCHMARKS`, or "all" for each in turn.
        crop: (H, W, D) of training crops and windows.
        repeats: turns measured after one to warm up; the median counts.
        bundle: with trained weights, for scan and start.
        dataset_dir: the scans, for scan and start.
        scans: how many of the last 12 scans, which validate, to segment for scan.
        plot: picture to write for size.

    Raises:
        ValueError: when `what` is unknown or a folder that it needs is missing.
    """
    if what not in (*BENCHMARKS, "all"):
        raise ValueError(f"benchmark: must be one of {', '.join(BENCHMARKS)} or all, got {what!r}")
    names = list(BENCHMARKS) if what == "all" else [what]
    for folder in (bundle, dataset_dir) if {"scan", "start"} & set(names) else ():
        if not Path(folder).is_dir():
            raise ValueError(f"{folder} does not exist; give --bundle and --dataset_dir")
    kind = "bfloat16" if has_bf16("cpu") else "float32"
    print(f"{torch.get_num_threads()} threads, {kind}, torch {torch.__version__}, crop {'x'.join(map(str, crop))}\n")
    print("| what | other side | ours | ratio |\n|---|---|---|---|", flush=True)
    for name in names:
        for row in BENCHMARKS[name](Settings(crop, repeats, bundle, dataset_dir, scans, plot)):
            print("| " + " | ".join(row) + " |", flush=True)


def _step(settings: Settings) -> Iterator[Row]:
    crop, repeats = settings.crop, settings.repeats
    ours = in_fresh_process(step.fast_step, crop, LA_8, repeats)
    passes = in_fresh_process(step.network_passes, crop, LA_8, repeats)
    yield _times("LA-8 step against its network passes alone", passes.seconds, ours.seconds)
    plain = in_fresh_process(step.plain_step, crop, LA_8, repeats)
    yield _times("LA-8 step, plain: float32, contiguous", plain.seconds, ours.seconds)
    kept = in_fresh_process(step.plain_step, crop, LA_8, repeats, True)
    yield _times("the same, freed memory kept on both sides", kept.seconds, ours.seconds)
    memory = f"{ours.memory_gb / plain.memory_gb:.0%}"
    yield Row("memory of the step", f"{plain.memory_gb:.2f} GB", f"{ours.memory_gb:.2f} GB", memory)


def _authors_step(settings: Settings) -> Iterator[Row]:
    ours = in_fresh_process(step.fast_step, settings.crop, LA_8, settings.repeats)
    theirs = in_fresh_process(step.plain_step, settings.crop, AUTHORS, settings.repeats)
    yield _times("LA-8 step against the authors' 4+4 crops, plain", theirs.seconds, ours.seconds)


def _arithmetic(settings: Settings) -> Iterator[Row]:
    product, forward = in_fresh_process(step.arithmetic, settings.crop, settings.repeats)
    share = f"{forward / product:.0%}"
    yield Row("forward pass against a 2048^3 product", f"{product:.0f} GFLOP/s", f"{forward:.0f} GFLOP/s", share)


def _scan(settings: Settings) -> Iterator[Row]:
    from monai.transforms import LoadImage

    from llmsegnet_bundle.metrics import case_metrics

    items = from_folder(settings.dataset_dir, validation=12, labeled="all")["validation"][: settings.scans]
    load = LoadImage(image_only=True)
    totals = {True: [0.0, 0.0], False: [0.0, 0.0]}  # seconds and Dice
    for item in items:
        name = case_name(item["image"])
        label = load(item["label"])
        for plain, total in totals.items():
            with tempfile.TemporaryDirectory() as folder:
                total[0] += in_fresh_process(scan.segment, settings.bundle, item["image"], folder, plain)
                mask = load(Path(folder) / f"{name}_seg.nii.gz")
            total[1] += case_metrics(mask, label, (1.0, 1.0, 1.0))["dice"]
    (plain_s, plain_dice), (ours_s, ours_dice) = ([value / len(items) for value in total] for total in totals.values())
    yield _times(f"image to mask, mean of {len(items)} scans, against the field's loop", plain_s, ours_s)
    yield Row("mean Dice of these masks", f"{plain_dice:.4f}", f"{ours_dice:.4f}", f"{ours_dice - plain_dice:+.4f}")


def _start(settings: Settings) -> Iterator[Row]:
    yield Row("`llmsegnet_bundle --help`", "-", f"{start.help_seconds():.2f} s", "-")
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (
            in_fresh_process(start.seconds_to_first_step, settings.bundle, settings.dataset_dir, folder)
            for _ in range(2)
        )
    yield _times("imports done to first step, cold cache against warm", cold, warm)


def _processes(settings: Settings) -> Iterator[Row]:
    one, two = (processes.crops_per_second(settings.crop, settings.repeats, ranks) for ranks in (1, 2))
    yield Row("2 gloo processes against 1", f"{one:.2f} crops/s", f"{two:.2f} crops/s", f"{two / one:.2f} x")


def _many(settings: Settings) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        many.write_scans(folder, MANY[-1], MANY_SIDE)
        memory = [in_fresh_process(many.training, folder, count, "disk").memory_gb for count in MANY]
        what = f"memory of a training, {MANY[0]} scans of {MANY_SIDE}^3 against {MANY[1]}, from disk"
        yield Row(what, f"{memory[0]:.2f} GB", f"{memory[1]:.2f} GB", f"{memory[1] / memory[0]:.2f} x")
        kept = in_fresh_process(many.training, folder, MANY[0], "memory").memory_gb
        what = f"{MANY[0]} scans from memory against disk"
        yield Row(what, f"{kept:.2f} GB", f"{memory[0]:.2f} GB", f"{memory[0] / kept:.0%}")


def _big(settings: Settings) -> Iterator[Row]:
    bundle = str(Path(settings.bundle).with_name("pancreas_ct"))
    size = "x".join(str(side) for side in BIG)
    for classes, limit_gb in BIG_GB.items():
        names = ("background", *(f"organ{number}" for number in range(1, classes)))
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            big.write_ct(folder, BIG, classes)
            big.write_weights(folder / "model.pt", bundle, classes)
            given = {"model_file": folder / "model.pt", "classes": classes}
            native, coarse = {"spacing_mm": big.SPACING_MM}, {"spacing_mm": (2.0, 2.0, 2.0)}
            every_map = {"probabilities": True, "uncertainty": True, "deploy": "mean"}
            told = {
                "to mask, native": big.segment(folder, bundle, given | native),
                "to mask, working grid of 2 mm": big.segment(folder, bundle, given | coarse),
                "to mask and scores, 2 mm": big.evaluate(folder, bundle, given | coarse | {"class_names": names}),
            }
            if classes == 2:
                told["to mask and every map, 2 mm"] = big.segment(folder, bundle, given | coarse | every_map)
        for what, cost in told.items():
            of_limit = f"{cost.memory_gb / limit_gb:.0%}"
            yield Row(
                f"{size} CT {what}, {classes} classes", f"{limit_gb:.2f} GB", f"{cost.memory_gb:.2f} GB", of_limit
            )


def _size(settings: Settings) -> Iterator[Row]:
    sides = [(48, 48, 48), (80, 80, 64), (96, 96, 96), (112, 112, 80)]
    costs = []
    for crop in sides:
        pair = [in_fresh_process(side, crop, LA_8, settings.repeats) for side in (step.plain_step, step.fast_step)]
        costs.append(pair)
        yield _times(f"LA-8 step, crop {'x'.join(map(str, crop))}", pair[0].seconds, pair[1].seconds)
    if settings.plot:
        _draw(sides, costs, settings.plot)


def _draw(sides: Sequence[Sequence[int]], costs: Sequence[Sequence[step.Cost]], file: str) -> None:
    from matplotlib.figure import Figure

    voxels = [4 * crop[0] * crop[1] * crop[2] / 1e6 for crop in sides]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for place, (name, unit) in enumerate((("seconds", "s"), ("memory_gb", "GB")), start=1):
        axes = figure.add_subplot(1, 2, place)
        for side, kind in enumerate(("float32, contiguous", "llmsegnet_bundle")):
            axes.plot(voxels, [getattr(pair[side], name) for pair in costs], "o-", label=kind)
        axes.set(xlabel="million voxels in the batch of 4 crops", ylabel=f"{name.split('_')[0]} of a step ({unit})")
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend()
    with whole_file(file) as part:
        figure.savefig(part, dpi=110)


def _times(what: str, other: float, ours: float) -> Row:
    return Row(what, f"{other:.2f} s", f"{ours:.2f} s", f"{other / ours:.2f} x")


BENCHMARKS: dict[str, Callable[[Settings], Iterator[Row]]] = {
    "step": _step,
    "authors_step": _authors_step,
    "arithmetic": _arithmetic,
    "scan": _scan,
    "start": _start,
    "processes": _processes,
    "size": _size,
    "many": _many,
    "big": _big,
}
