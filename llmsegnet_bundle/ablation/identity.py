"""What makes a run the one it is, and in what two differ."""

import json
from typing import Any

from llmsegnet_bundle.ablation.plan import Plan, Variant


def identity(plan: Plan, variant: Variant) -> dict[str, Any]:
    """Return all that a variant's training is given, and so the variants whose runs it starts from, as JSON has it.

    Texts stay as the plan has them, so that the folder of all runs may move.
    """
    return {
        "bundle": str(plan.bundle),
        "configs": list(variant.configs),
        "overrides": plain(variant.overrides),
        "starts_from": {name: identity(plan, plan.variant(name)) for name in variant.starts_from},
    }


def plain(value: Any) -> Any:
    """Return a value as it comes back from a JSON file."""
    return json.loads(json.dumps(value, default=str))


def difference(earlier: Any, now: Any) -> str:
    """Return in words the first thing in which two differ, empty when they are equal."""
    if earlier == now:
        return ""
    if not isinstance(earlier, dict) or not isinstance(now, dict):
        return f"was {json.dumps(earlier)}, now {json.dumps(now)}"
    for key in dict.fromkeys([*now, *earlier]):
        if key not in earlier:
            return f"{key} was not set"
        if key not in now:
            return f"{key} is no longer set"
        if earlier[key] != now[key]:
            return f"{key} {difference(earlier[key], now[key])}"
    return ""
