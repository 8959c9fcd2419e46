"""A bundle on the Hugging Face Hub, by MONAI's own function."""

from pathlib import Path
from tempfile import TemporaryDirectory

from llmsegnet_bundle.documents import read_metadata
from llmsegnet_bundle.sharing.finding import find_bundle
from llmsegnet_bundle.sharing.packing import stage_bundle


def publish_bundle(bundle: str | Path, repository: str, dry_run: bool = True, private: bool = True) -> list[str]:
    """Upload what `package_bundle` packs, tagged with its version, and return a line for each file.

    Args:
        bundle: name or folder, with weights.
        repository: OWNER/REPOSITORY; made when missing. The token is what `hf auth login` stored.
        dry_run: make everything and upload nothing.
        private: whether a repository that is made is seen by its owner alone.

    Raises:
        ValueError: as `package_bundle`, or when `repository` is no OWNER/REPOSITORY.
        OSError: of the Hub.
    """
    if len(repository.split("/")) != 2:
        raise ValueError(f"repository: must be OWNER/REPOSITORY, got {repository!r}")
    folder = find_bundle(bundle).resolve()
    with TemporaryDirectory() as place:
        staged = stage_bundle(folder, Path(place))
        files = sorted(path for path in staged.rglob("*") if path.is_file())
        lines = [f"{file.relative_to(staged)} {file.stat().st_size / 1e6:.2f} MB" for file in files]
        version = read_metadata(staged)["version"]
        if not dry_run:
            from monai.bundle import push_to_hf_hub  # takes seconds

            push_to_hf_hub(repository, staged.name, place, private=private, version=version)
    return lines
