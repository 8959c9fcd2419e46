"""What was measured of the labels, in sentences: for a language model to build on, or texts without one."""

from collections.abc import Sequence

import numpy as np

from llmsegnet_bundle.cases.survey import ScanFacts


def measured_sentences(facts: Sequence[ScanFacts], organ: str, modality: str) -> list[str]:
    """Return volume, extent and intensity of what is labeled, a sentence each.

    Args:
        facts: of labeled scans; those of validation and test scans are for nobody to know.
        organ: such as "liver".
        modality: "CT" for scans in HU, else such as "MR".

    Raises:
        ValueError: when no label holds anything.
    """
    filled = [scan for scan in facts if scan.extent_mm]
    if not filled:
        raise ValueError("no label of the labeled scans holds anything but background; label other scans")
    volumes_ml = [scan.volume_ml for scan in filled if scan.volume_ml is not None]
    extents_mm = np.median([scan.extent_mm for scan in filled if scan.extent_mm], axis=0)
    values = np.concatenate([scan.intensities for scan in filled])
    unit = " HU" if modality.upper() == "CT" else ""
    low, middle, high = (f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)))
    across, along, tall = (f"{extent:.0f}" for extent in extents_mm)
    return [
        f"The {organ} has a volume of about {np.median(volumes_ml):.0f} ml, between {min(volumes_ml):.0f} and "
        f"{max(volumes_ml):.0f} ml in the labeled scans.",
        f"The {organ} extends about {across} mm from left to right, {along} mm from back to front and {tall} mm from "
        "bottom to top.",
        f"In {modality} images the {organ} has a median intensity of {middle}{unit}; most of it lies between {low} and "
        f"{high}{unit}.",
    ]


def measured_texts(facts: Sequence[ScanFacts], organ: str, modality: str) -> list[str]:
    """Return texts for use without a language model: what to segment, then `measured_sentences`.

    Raises:
        ValueError: as `measured_sentences`.
    """
    first = (
        f"Segment the {organ} in {modality} images, and nothing else: neighboring structures belong to the background."
    )
    return [first, *measured_sentences(facts, organ, modality)]
