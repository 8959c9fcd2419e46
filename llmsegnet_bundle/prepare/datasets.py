"""What is particular to each data set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llmsegnet_bundle.prepare.layouts import MODALITIES, Source, brats19, left_atrium, pancreas_ct


@dataclass(frozen=True)
class DataSet:
    """How one data set is found and read.

    Args:
        find: the scans among the files of a download.
        presets: of `cases`, each gets a split file.
        values: value in a label file -> our class.
        spacing_mm: of every scan; None when they differ.
        h5_spacing_mm: of the community's h5 files, which hold none.
        label_margin_mm: (x, y, z) that the field leaves around the label, inf for the whole axis; None: no such crop.
        air: voxels above belong to the body.
        channels: of a scan.
        flipped_label: the labels may lie flipped in plane, see `placing`.
        never_both: values that two releases use for different things; empty for none.
    """

    find: Callable[[Iterable[Path]], list[Source]]
    presets: tuple[str, ...]
    values: Mapping[int, int]
    spacing_mm: float | None
    h5_spacing_mm: float
    label_margin_mm: tuple[float, float, float] | None
    air: float = 0.0
    channels: int = 1
    flipped_label: bool = False
    never_both: tuple[int, ...] = ()


def data_set(name: str, modality: str = "flair", whole_tumor: bool = True) -> DataSet:
    """Return a data set by name.

    Args:
        name: left_atrium, pancreas_ct or brats19.
        modality: of brats19: flair, t1, t1ce, t2 or all.
        whole_tumor: of brats19: label > 0 is class 1; False keeps 1 necrosis, 2 edema, 3 enhancing (stored as 4).

    Raises:
        ValueError: when there is none of this name.
    """
    sets = {
        "left_atrium": DataSet(
            left_atrium,
            presets=("left_atrium",),
            values={0: 0, 1: 1, 255: 1},
            spacing_mm=0.625,
            h5_spacing_mm=0.625,
            label_margin_mm=(12.5, 12.5, float("inf")),  # the field: 10 to 20 voxels of 0.625 mm in plane
        ),
        "pancreas_ct": DataSet(
            pancreas_ct,
            presets=("pancreas_ct_mcnet", "pancreas_ct_coranet"),
            values={0: 0, 1: 1},
            spacing_mm=None,
            h5_spacing_mm=1.0,
            label_margin_mm=(25.0, 25.0, 25.0),  # the field: 25 voxels of 1 mm
            air=-500.0,  # HU; between air and lung (-850) and fat (-100)
            flipped_label=True,
        ),
        "brats19": DataSet(
            partial(brats19, modality=modality),
            presets=("brats19",),
            values={0: 0, **{value: 1 if whole_tumor else min(value, 3) for value in (1, 2, 3, 4)}},
            spacing_mm=1.0,
            h5_spacing_mm=1.0,
            label_margin_mm=None,
            channels=len(MODALITIES) if modality == "all" else 1,
            never_both=(3, 4),
        ),
    }
    if name not in sets:
        raise ValueError(f"dataset must be one of {', '.join(sets)}, got {name!r}")
    return sets[name]
