"""A bundle as one zip that others can use: weights small and in three forms, each file's sha256, no machine's paths."""

import shutil
import warnings
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from llmsegnet_bundle.documents import ASSEMBLE, read_json, read_metadata
from llmsegnet_bundle.files import as_yaml, file_sha256, whole_file
from llmsegnet_bundle.networks.weights import halve_weights, read_description, read_weights
from llmsegnet_bundle.sharing.finding import WEIGHTS, find_bundle
from llmsegnet_bundle.sharing.manifest import write_manifest

LICENSES = ("LICENSE", "docs/data_license.txt")
PARTS = (*LICENSES, "dataset.yaml", "docs/README.md", "configs", "text")
TEXTS = (".json", ".yaml", ".yml", ".md", ".txt", ".conf")
BEGIN = (1980, 1, 1, 0, 0, 0)  # a zip's first date: the same bundle gives the same zip


def package_bundle(bundle: str | Path, output_dir: str | Path = ".", weights_url: str | None = None) -> Path:
    """Write `<bundle>-v<version>.zip` and return its path.

    Args:
        bundle: name or folder, with weights.
        output_dir: gets the zip; made when missing.
        weights_url: where the files of `models` will lie, for `large_files.yml`; None for none.

    Raises:
        ValueError: when the bundle lacks weights, a license or its card, its weights have other channels or classes
            than its metadata, a file tells a path of this machine, or the zip is there already.
    """
    folder = find_bundle(bundle).resolve()
    version = read_metadata(folder)["version"]
    target = Path(output_dir) / f"{folder.name}-v{version}.zip"
    if target.exists():
        raise ValueError(f"{target} exists; raise the version in {folder}/dataset.yaml, or remove it")
    with TemporaryDirectory() as place:
        staged = stage_bundle(folder, Path(place), weights_url)
        with whole_file(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path for path in staged.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(file.relative_to(place).as_posix(), BEGIN)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, file.read_bytes())
    return target


def stage_bundle(folder: Path, place: Path, weights_url: str | None = None) -> Path:
    """Write what `package_bundle` packs into `place` and return its folder there."""
    for name in (*LICENSES, "docs/README.md"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} does not exist; say there what holds for code, weights and data")
    for config in sorted((folder / "configs").glob("*.json")):
        read_json(config, ASSEMBLE.format(folder))
    staged = place / folder.name
    for name in PARTS:
        source = folder / name
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, staged / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        elif source.is_file():
            shutil.copyfile(source, staged / name)
    weights = staged / WEIGHTS
    halve_weights(folder / WEIGHTS, weights)  # says which file is missing
    _check_channels(staged, folder)
    _check_no_paths(staged, folder)
    plain = {name: value.contiguous() for name, value in read_weights(weights).items()}
    save_file(plain, weights.with_suffix(".safetensors"))
    _export(staged)
    if weights_url is not None:
        _write_large_files(staged, weights_url)
    write_manifest(staged)
    return staged


def _check_channels(staged: Path, folder: Path) -> None:
    settings = read_description(staged / WEIGHTS).get("settings", {})
    sides = read_metadata(staged)["network_data_format"]
    told = {"in_channels": sides["inputs"]["image"], "classes": sides["outputs"]["pred"]}
    for name, side in told.items():
        if settings.get(name, side["num_channels"]) != side["num_channels"]:
            raise ValueError(
                f"{folder / WEIGHTS} has {name} {settings[name]}, the metadata say {side['num_channels']}; set {name} "
                f"in {folder}/dataset.yaml and run `python -m llmsegnet_bundle assemble {folder}`"
            )


def _check_no_paths(staged: Path, folder: Path) -> None:
    for file in sorted(staged.rglob("*")):
        if file.suffix in TEXTS:
            text = file.read_text(encoding="utf-8")
            for path in (str(Path.home()) + "/", str(folder.parent) + "/"):
                if path in text:
                    raise ValueError(
                        f"{folder / file.relative_to(staged)} tells the path {path} of this machine; take it out"
                    )


def _export(staged: Path) -> None:
    """Write `model.ts`, which runs without this package, as MONAI Deploy takes it."""
    from monai.bundle import ckpt_export  # takes seconds

    configs = staged / "configs"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, which has deprecated TorchScript
        ckpt_export(
            "network_def",
            str(staged / WEIGHTS.with_suffix(".ts")),
            str(staged / WEIGHTS),
            str(configs / "metadata.json"),
            str(configs / "inference.json"),
            bundle_root=str(staged),
            device="cpu",
        )


def _write_large_files(staged: Path, url: str) -> None:
    files = [staged / WEIGHTS.with_suffix(suffix) for suffix in (".pt", ".safetensors", ".ts")]
    entries = [
        {
            "path": file.relative_to(staged).as_posix(),
            "url": f"{url.rstrip('/')}/{file.name}",
            "hash_val": file_sha256(file),
            "hash_type": "sha256",
        }
        for file in files
    ]
    (staged / "large_files.yml").write_text(as_yaml({"large_files": entries}), encoding="utf-8")
