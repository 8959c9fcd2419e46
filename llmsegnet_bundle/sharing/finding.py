"""Where a bundle lies: in a folder, a checkout, the user's cache or the package."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
WEIGHTS = Path("models") / "model.pt"


def find_bundle(bundle: str | Path) -> Path:
    """Return the folder of a bundle.

    Args:
        bundle: its folder, or its name in one of `places`. One with weights comes before one without.

    Raises:
        ValueError: when there is none.
    """
    if is_bundle(Path(bundle)):
        return Path(bundle)
    if Path(bundle).name != str(bundle):
        raise ValueError(f"bundle: {bundle} has no configs/metadata.json; give the folder or the name of a bundle")
    found = [place / bundle for place in places() if is_bundle(place / bundle)]
    if not found:
        told = ", ".join(map(str, places()))
        raise ValueError(
            f"bundle: no {bundle} in {told}; give its folder, or fetch it: "
            f"llmsegnet-bundle download {bundle} --source URL"
        )
    return next((folder for folder in found if (folder / WEIGHTS).is_file()), found[0])


def is_bundle(folder: Path) -> bool:
    """Say whether a folder is a bundle, by what MONAI calls for."""
    return (folder / "configs" / "metadata.json").is_file()


def places() -> list[Path]:
    """Return the folders of bundles: of the working directory, of the checkout, the user's, the package's own."""
    return [Path("bundles"), PACKAGE.parent / "bundles", cache(), PACKAGE / "shipped"]


def cache() -> Path:
    """Return the user's folder of downloaded bundles: the one that MONAI itself downloads to."""
    from torch.hub import get_dir  # takes seconds, and a folder needs none of it

    return Path(get_dir()) / "bundle"
