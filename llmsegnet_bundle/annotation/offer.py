"""Which scan an annotator is offered next."""

from collections.abc import Mapping
from typing import Any

SERVED_S = 3600  # a scan that was offered is not offered again so soon, as another annotator may have it


def most_doubtful(scans: Mapping[str, Mapping[str, Any]], key: str, strategy: str, now_s: float) -> str:
    """Return the scan with the largest doubt; what was offered lately comes last, and what has no doubt yet by name.

    Args:
        scans: unlabeled ones -> what MONAI Label's datastore tells of them, some at least.
        key: of the doubt.
        strategy: name under which the datastore remembers when a scan was offered.
        now_s: time in seconds since 1970.
    """

    def rank(name: str) -> tuple[bool, float, str]:
        served_s = scans[name].get("strategy", {}).get(strategy, {}).get("ts", 0)
        return now_s - served_s < SERVED_S, -scans[name].get(key, 0.0), name

    return min(scans, key=rank)
