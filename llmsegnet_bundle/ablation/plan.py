"""The plan of an ablation: what is varied, and where its runs lie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN = re.compile(r"\{run:([^{}]*)\}")  # the run of another variant with the same seed


@dataclass(frozen=True)
class Variant:
    """One of the things compared.

    Args:
        name: as the plan has it.
        configs: files of the training config, later ones over earlier ones.
        own: its own overrides.
        overrides: of its trainings: the common ones, then its own; texts as the plan has them.
        classes: names of the foreground classes that its evaluations score.
        written: id -> what its config has there, of all that a training follows from.
    """

    name: str
    configs: tuple[str, ...]
    own: dict[str, Any]
    overrides: dict[str, Any]
    classes: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts_from(self) -> tuple[str, ...]:
        """The variants whose runs its overrides name."""
        return tuple(dict.fromkeys(name for text in texts(self.overrides) for name in RUN.findall(text)))


@dataclass(frozen=True)
class Plan:
    """A checked plan.

    Args:
        bundle: folder of the bundle.
        output_dir: gets `<variant>/seed<N>` for each run, and the table.
        seeds: one run of each variant for each.
        common: overrides of every training.
        evaluation: overrides of every evaluation, besides those of the training.
        metric: a key of `metrics.MEASURES`.
        variants: in the order of the table; the first is what the others are compared with.
    """

    bundle: Path
    output_dir: Path
    seeds: tuple[int, ...]
    common: dict[str, Any]
    evaluation: dict[str, Any]
    metric: str
    variants: tuple[Variant, ...]

    def variant(self, name: str) -> Variant:
        """Return the variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)

    def folder(self, name: str, seed: int) -> Path:
        """Return the folder of a run."""
        return self.output_dir / slug(name) / f"seed{seed}"

    def fill(self, value: Any, seed: int) -> Any:
        """Return an override as the command takes it: `{seed}`, `{run:NAME}` and a leading `~` are replaced."""
        if isinstance(value, Mapping):
            return {key: self.fill(item, seed) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, seed) for item in value]
        if not isinstance(value, str):
            return value
        value = RUN.sub(lambda found: str(self.folder(found[1], seed)), value.replace("{seed}", str(seed)))
        return str(Path(value).expanduser()) if value.startswith("~") else value


def texts(value: Any) -> list[str]:
    """Return all texts within an override."""
    if isinstance(value, Mapping | list):
        items = value.values() if isinstance(value, Mapping) else value
        return [text for item in items for text in texts(item)]
    return [value] if isinstance(value, str) else []


def slug(name: str) -> str:
    """Return the name of a variant's folder; empty when nothing of the name can be in one."""
    return re.sub(r"[^\w.+]+", "-", name.lower()).strip("-.")
