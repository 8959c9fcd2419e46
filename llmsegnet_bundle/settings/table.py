"""The table of settings, `recipe/settings.yaml`: what each may be."""

import difflib
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from llmsegnet_bundle.settings.kinds import KINDS

COUNTS = {2: "two", 3: "three"}
NULL = "null"  # a text to the command line, where None is null


@dataclass(frozen=True)
class Setting:
    """An id of the config that a user may set; `recipe/settings.yaml` explains the fields."""

    name: str
    type: str
    configs: tuple[str, ...]
    help: str
    count: int | None = None
    least: Any = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    words: tuple[str, ...] = ()
    allowed: str = ""
    optional: bool = False
    weights: bool = False
    resumed: bool = False
    unit: str = ""
    default: Any = ""

    def fault(self, value: Any) -> str:
        """Return why the setting cannot have a value, in one line; empty when it can."""
        if (value is None and self.optional) or (isinstance(value, str) and value in self.words):
            return ""
        if isinstance(value, str) and value == NULL:
            fits = False
        elif self.count is None:
            fits = self._fits(value, self.least)
        else:
            least = self.least if isinstance(self.least, list) else [self.least] * self.count
            listed = isinstance(value, list | tuple) and len(value) == self.count
            fits = listed and all(map(self._fits, value, least))
        return "" if fits else f"{self.name}: must be {self.told}, got {value!r}{self._hint(value)}"

    def _fits(self, value: Any, least: float | None) -> bool:
        return (
            KINDS[self.type].fits(value)
            and (least is None or value >= least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def has_parts(self) -> bool:
        """Whether it is a structure, each part of which has an id of its own."""
        return KINDS[self.type].has_parts

    def _hint(self, value: Any) -> str:
        if value == NULL and self.optional:
            return f", a text; on the command line null is --{self.name} None"
        if self.type == "bool":
            return f"; write --{self.name} True or --{self.name} False"
        if self.type in ("path", "text", "folder", "files") and isinstance(value, int | float):
            return f"; write ./{value} for what has that name"
        if self.type in ("whole", "number") and isinstance(value, str):
            with suppress(ValueError):  # YAML takes 1e-3, without a dot, as a text
                number = float(value)
                if math.isfinite(number):
                    return f", a text; write {int(number) if number.is_integer() else number}"
        return ""

    @property
    def told(self) -> str:
        """What it may be, in words."""
        return self.allowed or _or([*([] if self.type == "word" else [self._range()]), *self.words, *self._null()])

    def _null(self) -> list[str]:
        return ["null"] if self.optional else []

    def _range(self) -> str:
        one, many = KINDS[self.type][:2]
        kind = one if self.count is None else f"{COUNTS[self.count]} {many}"
        if self.least is not None and self.most is not None:
            return f"{kind} from {self.least} to {self.most}"
        if self.least is not None and self.below is not None:
            return f"{kind} from {self.least} to below {self.below}"
        if self.least is not None:
            return f"{kind} of at least {self.least}"
        if self.above is not None and self.most is not None:
            return f"{kind} above {self.above}, at most {self.most}"
        return kind if self.above is None else f"{kind} above {self.above}"


@cache
def read_table() -> dict[str, Setting]:
    """Return all settings by their names, in the order of the table."""
    text = (files("llmsegnet_bundle") / "recipe" / "settings.yaml").read_text(encoding="utf-8")
    table = {}
    for name, row in yaml.safe_load(text).items():
        words, configs = tuple(row.pop("words", ())), tuple(row.pop("in"))
        table[name] = Setting(name, configs=configs, words=words, **row)
    return table


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known name, empty when none is near."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {found[0]}?" if found else ""


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
