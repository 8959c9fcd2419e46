"""What a person should know of the prepared scans, a line each."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from llmsegnet_bundle.cases import REPEATS, preset
from llmsegnet_bundle.prepare.datasets import DataSet

MOST_NAMES = 20  # of a line


def summary_lines(scans: dict[str, dict[str, Any]], data: DataSet, crop: str) -> list[str]:
    """Return how many scans there are, and what of them is odd or missing.

    Args:
        scans: of the record.
        data: what is particular to the data set.
        crop: the option.
    """
    labels = sum(any(file.startswith("labelsTr") for file in scan["files"]) for scan in scans.values())
    lines = [f"{len(scans)} scans, {labels} with a label"]
    if crop == "label_box":
        lines.append("cropped around the label: figures on these scans are not label-free")
    from_h5 = sum(scan["orientation"] == "unknown" for scan in scans.values())
    if from_h5:
        lines.append(
            f"{from_h5} scans from h5 files, which hold no geometry: {data.h5_spacing_mm:g} mm is assumed, the "
            "orientation is unknown, and their makers cropped and normalized them: figures are not label-free"
        )
    lines += [f"odd: {name}: {line}" for name, scan in sorted(scans.items()) for line in scan["odd"]]
    return lines + _odd_ones_out(scans) + _repeats(scans) + _missing(scans, data.presets)


def _odd_ones_out(scans: dict[str, dict[str, Any]]) -> list[str]:
    ways = Counter(scan["orientation"] for scan in scans.values())
    if len(ways) < 2:
        return []
    ((usual, count),) = ways.most_common(1)
    return [
        f"odd: {name}: orientation {scan['orientation']}, {count} scans have {usual}"
        for name, scan in sorted(scans.items())
        if scan["orientation"] != usual
    ]


def _repeats(scans: dict[str, dict[str, Any]]) -> list[str]:
    first: dict[str, str] = {}
    same = {name: first.setdefault(scan["content"], name) for name, scan in sorted(scans.items())}
    lines = [f"odd: {name} and {other} have the same voxels" for name, other in same.items() if name != other]
    if told := [name for name in sorted(scans) if REPEATS.fullmatch(name)]:
        lines.append(f"odd: {' and '.join(told)}: said to repeat a patient; split --exclude leaves one out")
    return lines


def _missing(scans: dict[str, dict[str, Any]], presets: Sequence[str]) -> list[str]:
    lists = [preset(name) for name in presets]
    listed = {one.spellings[0].format(name=entry, index=0) for one in lists for entry in one.names()}
    lost = sorted(listed - scans.keys())
    lines = [f"missing: {len(lost)} of {len(listed)} scans of the published lists: {_some(lost)}"] if lost else []
    beyond = sorted(scans.keys() - listed)
    return lines + ([f"{len(beyond)} scans are in no published list: {_some(beyond)}"] if beyond else [])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
