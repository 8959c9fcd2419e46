"""A MONAI Label app of bundles: a folder that the server is started with."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from llmsegnet_bundle.documents import read_metadata
from llmsegnet_bundle.files import whole_folder, write_texts, writing_to
from llmsegnet_bundle.sharing import find_bundle

LEFT_OUT = ("eval", "eval_supervised", "cache", "checkpoints", "__pycache__")
MAIN = '''"""What MONAI Label starts: the app of the package llmsegnet_bundle."""

from llmsegnet_bundle.annotation.torchvision import stand_in

stand_in()  # before MONAI Label imports it

from llmsegnet_bundle.annotation.label_app import LabelApp  # noqa: E402, F401
'''


def make_app(app: str | Path, bundles: Sequence[str]) -> list[str]:
    """Write a MONAI Label app, or add bundles to one; those that are there stay as they are, with what they learned.

    Args:
        app: folder, made when missing.
        bundles: names or folders, as for `sharing.find_bundle`, that are copied to `<app>/model/<name>`.

    Returns:
        The names of all bundles of the app.

    Raises:
        ValueError: when no bundle is given, one is not found or has damaged metadata, or `app` is a folder of something
            else.
    """
    folder = Path(app)
    if folder.exists() and not (folder / "main.py").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there and is no MONAI Label app; give a new folder")
    found = [find_bundle(bundle) for bundle in bundles]
    if not found:
        raise ValueError("annotate: give a bundle, by name or folder")
    for bundle in found:
        read_metadata(bundle)  # refuses a damaged one
        place = folder / "model" / bundle.resolve().name
        if not place.exists():
            with writing_to(place), whole_folder(place) as part:
                shutil.copytree(bundle, part, ignore=shutil.ignore_patterns(*LEFT_OUT))
    write_texts(folder, {"main.py": MAIN})
    return sorted(place.name for place in (folder / "model").iterdir() if not place.name.startswith("."))
