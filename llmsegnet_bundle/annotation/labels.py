"""Whether anything can be learned from a label."""

import numpy as np

from llmsegnet_bundle.scans import PathLike, read_scan


def label_fault(file: PathLike, classes: int = 256) -> str:
    """Return in words what is wrong with a label that an annotator saved; "" when nothing is.

    Args:
        file: the label.
        classes: it must hold some of 1 to classes - 1.
    """
    try:
        found = np.unique(read_scan(file)[0])
    except ValueError as error:
        return str(error)
    if not found.any():
        return "it is empty; draw the organ first"
    if found.max() >= classes:
        return f"it has class {found.max():g}, the last one is {classes - 1}; remove segments such as 'uncertain'"
    return ""
