"""Labels that MONAI Label saves: those that nothing can be learned from are refused when they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag

from llmsegnet_bundle.annotation.labels import label_fault
from llmsegnet_bundle.documents import read_metadata


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


def _classes(bundle: Path) -> int:
    return len(read_metadata(bundle)["network_data_format"]["outputs"]["pred"]["channel_def"])
