"""The sections about how a run was made: curves, selection, settings, split, text, time, versions."""

import math
from collections.abc import Sequence
from typing import Any

from llmsegnet_bundle.report import page
from llmsegnet_bundle.report.charts import curve_chart, validation_chart
from llmsegnet_bundle.report.figures import svg
from llmsegnet_bundle.report.run import Curve, Run
from llmsegnet_bundle.scans import case_name

TEXT = ("_text_share", "_balance")  # endings of the tags of `handlers.TextShare`


def validation_curve(run: Run) -> Curve:
    """Return the validation metric over the steps, or over the epochs when their length is not recorded."""
    name = (run.record.get("selection") or {}).get("metric")
    tag = name if name in run.curves else next((tag for tag in run.curves if tag.startswith("val_")), None)
    length, total = run.record.get("steps_per_epoch") or 1, run.record.get("total_steps")
    curve = run.curves.get(tag, {}) if tag else {}
    return {min(epoch * length, total or epoch * length): value for epoch, value in curve.items()}


def curves_section(run: Run, baseline: Run | None) -> str:
    """Return the validation curve, and one of each loss term."""
    parts = []
    selection = run.record.get("selection") or {}
    curves = {"this run": validation_curve(run)}
    if baseline and validation_curve(baseline):
        curves["baseline"] = validation_curve(baseline)
    if curves["this run"]:
        unit = "step" if run.record.get("steps_per_epoch") else "epoch"
        chart = svg(validation_chart(curves, selection.get("step"), unit))
        parts += [page.heading("Mean Dice of the validation scans"), _wide(chart, "validation Dice over the run")]
    text = sorted(tag for tag in run.curves if tag.endswith(TEXT))
    terms = [tag for tag in run.curves if not tag.startswith("val_") and tag not in text]
    if terms:
        parts += [
            page.heading("Loss terms, and the weight of the unsupervised ones"),
            page.note("The line is the mean, the band the range of nearby steps."),
        ]
        terms.sort(key=lambda tag: (tag != "loss", tag))
        parts.append(_charts(run, terms))
    if text:
        told = (
            "text_share: how far the logits move when the text is taken away, as a part of their size, on one crop. "
            "balance: the learned factor of the text, 1 at the start."
        )
        parts += [page.heading("What the text does in each network"), page.note(told), _charts(run, text)]
    return page.section("Training", *parts)


def selection_section(run: Run) -> str:
    """Return how the weights were selected."""
    selection = run.record.get("selection")
    if not selection:
        return page.section("How the weights were selected")
    scans = len((run.record.get("split") or {}).get("validation", ()))
    value, step = selection.get("value", math.nan), selection.get("step")
    where = f"{value:.4f} on {scans} held-out validation scans at step {step} of {run.record.get('total_steps')}"
    if selection.get("rule", "best") == "last":
        told = f"The last weights were kept, without selection: {selection.get('metric')} {where}."
        tested = "No score chose them, so that those of the validation scans are as honest as those of a test set."
    else:
        told = f"The weights with the best {selection.get('metric')} were kept: {where}."
        tested = "Scores of the same validation scans are therefore a little too good; those of a test set are not."
    return page.section("How the weights were selected", f"<p>{page.escape(told)}</p>", page.note(tested))


def settings_section(run: Run) -> str:
    """Return the configuration."""
    settings = run.record.get("settings")
    return page.section("Configuration", *([page.facts(settings)] if settings else []))


def split_section(run: Run) -> str:
    """Return the lists of the split, and its hash."""
    split = run.record.get("split")
    if not split:
        return page.section("Data split")
    lists = {key: value for key, value in split.items() if isinstance(value, list)}
    counts = {
        "hash": split.get("digest", page.NOT_RECORDED),
        **{key: _count(items, "scan") for key, items in lists.items()},
    }
    names = [
        page.details(f"{key}: {_count(items, 'scan')}", [case_name(item["image"]) for item in items])
        for key, items in lists.items()
        if items
    ]
    return page.section("Data split", page.facts(counts), *names)


def text_section(run: Run) -> str:
    """Return the text that guided the networks, and its hash."""
    if "text" not in run.record:
        return page.section("Text")
    text = run.record["text"]
    if not text:
        return page.section("Text", page.note("None: a network without text."))
    texts = text.get("texts") or []
    if isinstance(texts, dict):  # of each class
        texts = [f"{name}: {told}" for name, group in texts.items() for told in group]
    parts = [page.facts({key: value for key, value in text.items() if key != "texts"})]
    return page.section("Text", *parts, *([page.details(_count(texts, "text"), texts)] if texts else []))


def time_section(run: Run) -> str:
    """Return the time of each session, and of all."""
    sessions = run.record.get("sessions")
    if not sessions:
        return page.section("Time")
    rows = []
    for session in sessions:
        steps = session.get("last_step", 0) - session.get("first_step", 0)
        duration_s = session.get("duration_s", 0.0)
        step_s = duration_s / steps if steps else None
        what = f"{session.get('first_step')} to {session.get('last_step')}"
        rows.append([moment(session.get("started")), session.get("device"), what, duration(duration_s), step_s])
    columns = ["started", "device", "steps", "time", "seconds a step, with validation"]
    return page.section("Time", page.table(columns, rows))


def versions_section(run: Run) -> str:
    """Return the versions of what the run was made with."""
    versions = run.record.get("versions")
    return page.section("Versions", *([page.facts(versions)] if versions else []))


def total_s(run: Run) -> float:
    """Return the seconds of all sessions."""
    return sum(session.get("duration_s", 0.0) for session in run.record.get("sessions", ()))


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(text: str | None) -> str:
    """Return a moment of the record as a person writes it."""
    return (text or page.NOT_RECORDED).replace("T", " ").replace("+00:00", " UTC")


def _count(items: Sequence[Any], name: str) -> str:
    return f"{len(items)} {name}{'' if len(items) == 1 else 's'}"


def _charts(run: Run, tags: Sequence[str]) -> str:
    charts = [(svg(curve_chart(tag, run.curves[tag])), f"{tag} over the steps") for tag in tags]
    return page.pictures(charts, "charts")


def _wide(source: str, caption: Any) -> str:
    return f'<div class="wide-chart"><img src="{source}" alt="{page.escape(caption)}"></div>'
