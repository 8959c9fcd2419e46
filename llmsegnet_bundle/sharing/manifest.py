"""What a packed bundle holds: the sha256 of every file, so that a damaged or changed one is told."""

import json
from pathlib import Path

from llmsegnet_bundle.files import file_sha256

MANIFEST = "manifest.json"
OTHERS = (MANIFEST, "README.md", ".gitattributes", ".cache")  # the last three are added by the Hub and its client


def write_manifest(bundle: Path) -> None:
    """Write `manifest.json`: file -> sha256 of every other file of a bundle."""
    digests = {name: file_sha256(bundle / name) for name in _names(bundle)}
    (bundle / MANIFEST).write_text(json.dumps({"sha256": digests}, indent=1) + "\n", encoding="utf-8")


def check_manifest(bundle: Path) -> None:
    """Raise ValueError when a bundle has a manifest and a file of it is missing, changed, or not in it."""
    file = bundle / MANIFEST
    if not file.is_file():
        return
    try:
        told = dict(json.loads(file.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{MANIFEST} of {bundle.name} is damaged; get the bundle again") from None
    here = {name: file_sha256(bundle / name) for name in _names(bundle)}
    for name in sorted(told.keys() | here.keys()):
        if told.get(name) != here.get(name):
            why = "is missing" if name not in here else "is not in its manifest" if name not in told else "was changed"
            raise ValueError(f"{name} of {bundle.name} {why}; get the bundle again")


def _names(bundle: Path) -> list[str]:
    files = (path.relative_to(bundle) for path in sorted(bundle.rglob("*")) if path.is_file())
    return [file.as_posix() for file in files if file.parts[0] not in OTHERS]
