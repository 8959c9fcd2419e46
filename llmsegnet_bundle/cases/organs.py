"""Whether each scan of a run for several organs says which one its label is."""

from collections.abc import Sequence

from llmsegnet_bundle.cases.split import Datalist


def check_organs(datalist: Datalist, organs: Sequence[str], organ: str | None = None) -> None:
    """Raise ValueError for a scan without a known organ, or an `organ` in a run of one.

    Args:
        datalist: the lists, of `load`.
        organs: the known names; none for a run of one organ, which asks for nothing.
        organ: of scans that name none.
    """
    if organ is not None and not organs:
        raise ValueError(f"organ: {organ!r} is unknown; this run is for one organ; leave the setting away")
    known = ", ".join(organs)
    for item in (item for items in datalist.values() for item in items if organs):
        name = item.get("organ", organ)
        if name is None:
            raise ValueError(
                f'{item["image"]} names no organ; give its entry of the datalist an "organ" of {known}, or set organ'
            )
        if name not in organs:
            raise ValueError(f"{item['image']}: organ {name!r} is unknown; text_embedding has texts of {known}")
