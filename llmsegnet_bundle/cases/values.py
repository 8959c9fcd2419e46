"""What the numbers in the label files of a data set stand for."""

from collections.abc import Collection, Mapping, Sequence


class LabelValues:
    """Which class each stored number is, for data sets whose files hold other numbers than the classes.

    Args:
        classes: of the stored numbers 0, 1, 2 ...; or stored number -> class, from 0 and without a gap.
        never_both: stored numbers that different releases use for different things, so that scans of one data set may
            hold one of them alone; empty for none.
        meaning: what the two would mean, for the message.

    Raises:
        ValueError: when the stored numbers have a gap.

    Example:
        >>> LabelValues({0: 0, 1: 1, 2: 2, 3: 3, 4: 3}, (3, 4), "3 is the core in 2015, 4 the cavity in 2024")
    """

    def __init__(
        self,
        classes: Sequence[int] | Mapping[int | str, int],
        never_both: Sequence[int] = (),
        meaning: str = "they are different",
    ) -> None:
        pairs = classes.items() if isinstance(classes, Mapping) else enumerate(classes)
        self.classes = {int(value): kind for value, kind in pairs}  # JSON has texts for keys
        self.never_both, self.meaning = tuple(never_both), meaning
        if sorted(self.classes) != list(range(len(self.classes))):
            raise ValueError(f"classes must be those of the numbers 0, 1, 2 ... without a gap, got {classes}")

    def absent(self, held: Collection[int]) -> list[int]:
        """Return the classes but the background that none of these stored numbers is."""
        there = {self.classes[value] for value in held}
        return sorted(set(self.classes.values()) - there - {0})

    def check(self, holders: Mapping[int, str]) -> None:
        """Raise ValueError when the scans hold numbers that must not occur together.

        Args:
            holders: stored number -> a file that holds it.
        """
        if self.never_both and all(value in holders for value in self.never_both):
            told = " and ".join(f"{value} ({holders[value]})" for value in self.never_both)
            raise ValueError(f"the labels hold both {told}: {self.meaning}; renumber them, or leave one release out")


def label_values(classes: int | LabelValues) -> LabelValues:
    """Return what numbers stand for, where `classes` of them stand for themselves."""
    return LabelValues({value: value for value in range(classes)}) if isinstance(classes, int) else classes
