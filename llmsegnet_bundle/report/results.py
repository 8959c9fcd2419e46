"""What a run left behind: its record, the curves of its events, the scores of its cases."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsegnet_bundle.documents import EVALUATION_JSON, RUN_JSON, SUMMARY_JSON, read_json

Curve = dict[int, float]  # step -> value, in order
Row = dict[str, Any]  # "case" and "class" are texts, the rest numbers


@dataclass(frozen=True)
class Results:
    """The content of a run folder; a part that is not there is empty.

    Args:
        folder: where it lies.
        record: of `handlers.RunRecord`.
        curves: tag -> curve of the TensorBoard events.
        rows: of `metrics.csv`.
        summary: of `summary.json`, by class.
        evaluation: of `evaluation.json`: what the masks were made with.
    """

    folder: Path
    record: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)

    @property
    def measures(self) -> list[str]:
        return [key for key in (self.rows[0] if self.rows else ()) if key not in ("case", "class")]

    @property
    def classes(self) -> list[str]:
        return list(dict.fromkeys(row["class"] for row in self.rows))

    def values(self, measure: str, kind: str) -> dict[str, float]:
        """Return case -> value of one measure and class, nan left out, and all of a class that no label holds."""
        rows = [row for row in self.rows if row["class"] == kind and measure in row]
        if not any(row.get("label_ml", 1) for row in rows):
            return {}
        return {row["case"]: row[measure] for row in rows if not math.isnan(row[measure])}

    def ranked(self) -> list[tuple[str, float]]:
        """Return (case, mean Dice over its classes), worst first."""
        by_case: dict[str, list[float]] = {}
        for kind in self.classes:
            for case, value in self.values("dice", kind).items():
                by_case.setdefault(case, []).append(value)
        means = {case: sum(values) / len(values) for case, values in by_case.items()}
        return sorted(means.items(), key=lambda item: item[1])


def read_results(folder: str | Path) -> Results:
    """Read the output_dir of a training or an evaluation, or the folder above its `eval`.

    Raises:
        ValueError: when the folder is missing or holds nothing of a run, or a file of it is unreadable.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the output_dir of a training or an evaluation")
    if not _parts(folder) and _parts(folder / "eval"):
        folder = folder / "eval"
    if not _parts(folder):
        what = "run.json, metrics.csv or TensorBoard events"
        raise ValueError(f"{folder} holds no {what}; give the output_dir of a training or an evaluation")
    rows = _read_rows(folder / "metrics.csv")
    shapes = {"run": RUN_JSON, "summary": SUMMARY_JSON, "evaluation": EVALUATION_JSON}
    record, summary, evaluation = (_read_json(folder / f"{name}.json", shape) for name, shape in shapes.items())
    return Results(folder, record, _curves(folder), rows, summary, evaluation)


def _parts(folder: Path) -> list[Path]:
    return [path for pattern in ("run.json", "metrics.csv", "events.out.tfevents.*") for path in folder.glob(pattern)]


def _read_json(file: Path, shape: dict[Any, Any]) -> dict[str, Any]:
    return read_json(file, "run again, or delete it", shape) if file.exists() else {}


def _read_rows(file: Path) -> list[Row]:
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        numbers = [
            {key: float(value or "nan") for key, value in row.items() if key not in ("case", "class")} for row in rows
        ]
        return [
            {"case": row["case"], "class": row["class"], **values} for row, values in zip(rows, numbers, strict=True)
        ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{file} must hold the columns case and class, and numbers ({reason}); evaluate again"
        ) from None


def _curves(folder: Path) -> dict[str, Curve]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # a second to import

    curves: dict[str, Curve] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):  # in order of time
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            points = {event.step: event.value for event in events.Scalars(tag)}
            # a run that was continued or started anew overwrites what an earlier one did from there on
            kept = {step: value for step, value in curves.get(tag, {}).items() if step < min(points)}
            curves[tag] = kept | points
    return curves
