"""The organs of an embedding that has texts of several, by name and by number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsegnet_bundle.text.embedding import describe_embedding


def known_organs(text_embedding: str | Path | Mapping[str, Any]) -> list[str]:
    """Return the names of the several organs of an embedding, in its order; none of one organ or of "none".

    Args:
        text_embedding: a file, or what weights keep of one.

    Raises:
        ValueError: as `describe_embedding`.
    """
    if text_embedding == "none":
        return []
    told = text_embedding if isinstance(text_embedding, Mapping) else describe_embedding(text_embedding)
    return list(told.get("organs", ()))


def organ_index(organ: str | None, organs: Sequence[str]) -> int:
    """Return the number of the organ that is to be answered; 0 of a network for one.

    Raises:
        ValueError: when it is unknown, or none is chosen of several.
    """
    known = ", ".join(organs)
    if organ is None and organs:
        raise ValueError(f"organ: this network knows {known}; choose one with --organ")
    if organ is not None and organ not in organs:
        told = f"this network knows {known}" if organs else "this network is for one; leave the setting away"
        raise ValueError(f"organ: {organ!r} is unknown; {told}")
    return 0 if organ is None else list(organs).index(organ)
