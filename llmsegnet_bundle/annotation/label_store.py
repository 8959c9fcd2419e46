"""Labels that MONAI Label saves: those that nothing can be learned from are refused when they come."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import HTTPException
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag

from llmsegnet_bundle.scans import PathLike, read_scan


def refuse_bad_labels(store: LocalDatastore, bundles: Sequence[Path]) -> None:
    """Let `store` answer a final label that is empty, or has a class that no bundle knows, with one line and no change.

    Args:
        store: of the app.
        bundles: folders whose metadata name the classes.
    """
    classes = max((_classes(bundle) for bundle in bundles), default=256)
    save = store.save_label

    def save_checked(image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        if label_tag == DefaultLabelTag.FINAL and (fault := label_fault(label_filename, classes)):
            raise HTTPException(status_code=422, detail=f"label of {image_id}: {fault}; nothing was saved")
        return save(image_id, label_filename, label_tag, label_info)

    store.save_label = save_checked


def label_fault(file: PathLike, classes: int = 256) -> str:
    """Return in words what is wrong with a label; "" when nothing is."""
    try:
        found = np.unique(read_scan(file)[0])
    except ValueError as error:
        return str(error)
    if not found.any():
        return "it is empty; draw the organ first"
    if found.max() >= classes:
        return f"it has class {found.max():g}, the last one is {classes - 1}; remove segments such as 'uncertain'"
    return ""


def _classes(bundle: Path) -> int:
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return len(metadata["network_data_format"]["outputs"]["pred"]["channel_def"])
