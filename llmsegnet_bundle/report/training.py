"""What a report tells of the training: curves, split, text and time."""

from collections.abc import Sequence
from typing import Any

from llmsegnet_bundle.report.charts import curve_chart, validation_chart
from llmsegnet_bundle.report.figures import svg
from llmsegnet_bundle.report.pages import duration, moment
from llmsegnet_bundle.report.results import Curve, Results
from llmsegnet_bundle.scans import case_name

TEXT = ("_text_share", "_balance")  # endings of the tags of `handlers.TextShare`
Charts = list[tuple[str, str]]  # picture, caption


def curves(run: Results, baseline: Results | None) -> dict[str, Charts]:
    """Return the validation curve, one of each loss term, and those of what the text does."""
    own = {"this run": _validation_curve(run)}
    if baseline and (theirs := _validation_curve(baseline)):
        own["baseline"] = theirs
    unit = "step" if run.record.get("steps_per_epoch") else "epoch"
    best = (run.record.get("selection") or {}).get("step")
    validation = [(svg(validation_chart(own, best, unit)), "validation Dice over the run")] if own["this run"] else []
    text = sorted(tag for tag in run.curves if tag.endswith(TEXT))
    terms = [tag for tag in run.curves if not tag.startswith("val_") and tag not in text]
    terms.sort(key=lambda tag: (tag != "loss", tag))
    return {"validation": validation, "terms": _charts(run, terms), "text": _charts(run, text)}


def split(run: Results) -> dict[str, Any]:
    """Return the names of the scans in each list of the split, and its hash."""
    told = run.record.get("split") or {}
    lists = {key: value for key, value in told.items() if isinstance(value, list)}
    names = {key: [case_name(item["image"]) for item in items if item.get("image")] for key, items in lists.items()}
    return names | ({"digest": told["digest"]} if "digest" in told else {})


def text(run: Results) -> dict[str, Any] | None:
    """Return where the text came from and the texts; empty for a network without, None when nothing is recorded."""
    if "text" not in run.record:
        return None
    told = dict(run.record["text"] or {})
    texts = told.pop("texts", None) or []
    if isinstance(texts, dict):  # of each class
        texts = [f"{name}: {one}" for name, group in texts.items() for one in group]
    return {"facts": told, "texts": texts} if told or texts else {}


def sessions(run: Results) -> list[list[Any]]:
    """Return a row for each session: start, device, steps, time, seconds a step."""
    rows = []
    for session in run.record.get("sessions") or ():
        first, last = session.get("first_step", 0), session.get("last_step", 0)
        seconds = session.get("duration_s", 0.0)
        step_s = seconds / (last - first) if last > first else None
        device = str(session.get("device"))
        rows.append([moment(session.get("started")), device, f"{first} to {last}", duration(seconds), step_s])
    return rows


def _validation_curve(run: Results) -> Curve:
    """Return the validation metric over the steps, or over the epochs when their length is not recorded."""
    name = (run.record.get("selection") or {}).get("metric")
    tag = name if name in run.curves else next((tag for tag in run.curves if tag.startswith("val_")), None)
    length, total = run.record.get("steps_per_epoch") or 1, run.record.get("total_steps")
    curve = run.curves.get(tag, {}) if tag else {}
    return {min(epoch * length, total or epoch * length): value for epoch, value in curve.items()}


def _charts(run: Results, tags: Sequence[str]) -> Charts:
    return [(svg(curve_chart(tag, run.curves[tag])), f"{tag} over the steps") for tag in tags]
