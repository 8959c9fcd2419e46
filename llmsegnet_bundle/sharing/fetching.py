"""Bundles fetched from elsewhere into the user's cache: whole, checked, or not at all."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.sharing.finding import cache, is_bundle
from llmsegnet_bundle.sharing.manifest import check_manifest

HUB = "hf://"


def download_bundle(name: str, source: str, sha256: str | None = None) -> Path:
    """Fetch a bundle by MONAI's own download into the user's cache and return its folder there.

    Args:
        name: that it is found by.
        source: URL of a zip (https://, file://), its path, or hf://OWNER/REPOSITORY of the Hugging Face Hub.
        sha256: that the zip must have; None to check only the manifest that a packed bundle brings.

    Raises:
        ValueError: when the name is taken, or what was fetched is no bundle, or not what it should be.
        OSError: when it cannot be fetched.
    """
    from monai.bundle import download  # takes seconds

    target = cache() / name
    if not name or Path(name).name != name:
        raise ValueError(f"name: must be a plain name, got {name!r}")
    if target.exists():
        raise ValueError(f"{target} exists; remove it first, or give another name")
    if "://" not in source and not Path(source).is_file():
        raise ValueError(f"{source} does not exist; give the URL or the path of a zip")
    if sha256 is not None and source.startswith(HUB):
        raise ValueError("sha256: is of a zip; a repository of the Hub is checked by its manifest")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{name}.") as part:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No hash value provided")  # it is checked below
            if source.startswith(HUB):
                repository = source.removeprefix(HUB)
                download(name, bundle_dir=part, source="huggingface_hub", repo=repository, version="main")
            else:
                url = source if "://" in source else Path(source).absolute().as_uri()
                try:
                    download(name, bundle_dir=part, url=url)
                except BadZipFile as error:
                    raise ValueError(f"{source} is no whole zip ({error}); get it again, or from elsewhere") from None
        if sha256 is not None and (found := file_sha256(Path(part) / f"{name}.zip")) != sha256.lower():
            raise ValueError(f"{source} has the sha256 {found}, not {sha256}; get it again, or from elsewhere")
        folders = [folder for folder in Path(part).iterdir() if folder.is_dir() and is_bundle(folder)]
        if len(folders) != 1:
            raise ValueError(f"{source} holds no bundle: one folder with configs/metadata.json")
        check_manifest(folders[0])
        folders[0].rename(target)
    return target
