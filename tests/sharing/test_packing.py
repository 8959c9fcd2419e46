import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from llmsegnet_bundle.documents import read_mapping
from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.networks.weights import read_description
from llmsegnet_bundle.sharing import fetching, package_bundle, packing, publish_bundle
from llmsegnet_bundle.sharing.manifest import check_manifest

VERSION = "0.2.1"  # of the bundle left_atrium


@pytest.fixture(scope="module")
def packed(left_atrium, tmp_path_factory):
    return package_bundle(left_atrium, tmp_path_factory.mktemp("packed"), weights_url="https://example.org/v1/")


@pytest.fixture
def unpacked(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "left_atrium"


def test_zip_is_one_folder_named_by_its_version(packed):
    assert packed.name == f"left_atrium-v{VERSION}.zip"
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"left_atrium"}
    models = sorted(name.rpartition("/")[2] for name in names if "/models/" in name)
    assert models == ["model.json", "model.pt", "model.safetensors", "model.ts"]
    assert {"left_atrium/LICENSE", "left_atrium/docs/data_license.txt", "left_atrium/manifest.json"} <= set(names)
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_weights_are_halves_in_three_forms_and_described(unpacked):
    halves = torch.load(unpacked / "models/model.pt", weights_only=True)
    assert {value.dtype for value in halves.values() if value.is_floating_point()} == {torch.float16}
    plain = load_file(unpacked / "models/model.safetensors")
    assert plain.keys() == halves.keys()
    assert all(torch.equal(plain[name], value) for name, value in halves.items())
    assert read_description(unpacked / "models/model.pt")["settings"]["base_filters"] == 2
    scripted = torch.jit.load(unpacked / "models/model.ts")
    assert scripted(torch.rand(1, 1, 32, 32, 32)).shape == (1, 2, 32, 32, 32)


def test_manifest_and_large_files_hold_the_digests(unpacked):
    check_manifest(unpacked)
    told = json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    assert told["models/model.pt"] == file_sha256(unpacked / "models/model.pt")
    large = read_mapping(unpacked / "large_files.yml")["large_files"]
    assert large[0] == {
        "path": "models/model.pt",
        "url": "https://example.org/v1/model.pt",
        "hash_val": told["models/model.pt"],
        "hash_type": "sha256",
    }


def test_packed_bundle_is_found_after_its_download(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "cache", lambda: tmp_path)
    fetching.download_bundle("left_atrium", str(packed), file_sha256(packed))
    assert (tmp_path / "left_atrium/models/model.pt").is_file()


def test_what_is_not_fit_to_share_is_refused(left_atrium, packed, tmp_path):
    import shutil

    with pytest.raises(ValueError, match=r"left_atrium-v0\.2\.1\.zip exists; raise the version"):
        package_bundle(left_atrium, packed.parent)
    copy = tmp_path / "copy"
    shutil.copytree(left_atrium, copy)
    text = copy / "text/texts.yaml"
    text.write_text(text.read_text(encoding="utf-8") + f"# {Path.home()}/secret\n")
    with pytest.raises(ValueError, match=r"texts\.yaml tells the path .* of this machine"):
        package_bundle(copy, tmp_path / "out")
    metadata = copy / "configs/metadata.json"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace('"num_channels": 2', '"num_channels": 4'))
    with pytest.raises(ValueError, match=r"model\.pt has classes 2, the metadata say 4; set classes in .*yaml"):
        package_bundle(copy, tmp_path / "out")
    (copy / "models/model.pt").unlink()
    with pytest.raises(ValueError, match=r"model\.pt does not exist; train first"):
        package_bundle(copy, tmp_path / "out")
    (copy / "docs/data_license.txt").unlink()
    with pytest.raises(ValueError, match=r"data_license\.txt does not exist; say there what holds"):
        package_bundle(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Hub:
    """Stands in for the Hub's client: keeps what it is given."""

    asked: tuple = ()

    def __init__(self, token=None):
        type(self).asked = ()

    def create_repo(self, **told):
        type(self).asked += (("create", told["repo_id"], told["private"]),)

    def upload_folder(self, repo_id, folder_path):
        files = {path.relative_to(folder_path).as_posix() for path in Path(folder_path).rglob("*") if path.is_file()}
        type(self).asked += (("upload", repo_id, files),)
        check_manifest(Path(folder_path))

    def create_tag(self, repo_id, tag, exist_ok):
        type(self).asked += (("tag", repo_id, tag),)


def test_publishing_uploads_only_when_asked(left_atrium, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(packing, "_export", lambda staged: None)  # seen above
    lines = publish_bundle(left_atrium, "someone/left_atrium")
    assert Hub.asked == ()
    assert any(line.startswith("models/model.safetensors 0.") for line in lines)
    publish_bundle(left_atrium, "someone/left_atrium", dry_run=False)
    create, upload, tag = Hub.asked
    assert (create, tag) == (("create", "someone/left_atrium", True), ("tag", "someone/left_atrium", VERSION))
    assert {"README.md", "manifest.json", "configs/inference.json"} <= upload[2]
    with pytest.raises(ValueError, match="repository: must be OWNER/REPOSITORY, got 'mine'"):
        publish_bundle(left_atrium, "mine")
