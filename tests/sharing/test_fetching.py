import zipfile

import pytest

from llmsegnet_bundle.files import file_sha256
from llmsegnet_bundle.sharing import download_bundle, fetching
from llmsegnet_bundle.sharing.manifest import check_manifest, write_manifest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "liver"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs/metadata.json").write_text('{"monai_version": "1.6.1"}')
    (folder / "LICENSE").write_text("free")
    write_manifest(folder)
    return folder


def packed(folder, name="liver.zip"):
    file = folder.parent / name
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder.parent))
    return file


@pytest.mark.parametrize("as_url", [True, False])
def test_zip_is_fetched_by_url_or_path_under_the_name_given(as_url, bundle, cache):
    file = packed(bundle)
    found = download_bundle("mine", file.as_uri() if as_url else str(file), file_sha256(file))
    assert found == cache / "mine"
    assert (found / "LICENSE").read_text(encoding="utf-8") == "free"
    assert [path.name for path in cache.iterdir()] == ["mine"]


def test_wrong_checksum_or_no_bundle_leaves_nothing(bundle, cache, tmp_path):
    with pytest.raises(ValueError, match=r"liver.zip has the sha256 \w{64}, not 00"):
        download_bundle("liver", str(packed(bundle)), "00")
    (bundle / "configs/metadata.json").unlink()
    with pytest.raises(ValueError, match=r"liver.zip holds no bundle: one folder with configs/metadata.json"):
        download_bundle("liver", str(packed(bundle)))
    assert list(cache.iterdir()) == []


def test_what_is_no_zip_is_told_and_not_kept(cache, tmp_path):
    (tmp_path / "words.zip").write_text("words")
    with pytest.raises(ValueError, match=r"words\.zip is no whole zip \(File is not a zip file\)"):
        download_bundle("liver", str(tmp_path / "words.zip"))
    assert list(cache.iterdir()) == []


def test_zip_writes_nowhere_else_and_makes_no_link(bundle, cache, tmp_path):
    file = packed(bundle)
    link = zipfile.ZipInfo("liver/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "a") as archive:
        for name in ("../evil", "../../evil", f"{tmp_path}/evil", "liver/../../../evil"):
            archive.writestr(name, "evil")
        archive.writestr(link, "/etc/passwd")
    before = {path for path in tmp_path.rglob("*") if cache not in path.parents}
    with pytest.raises(Exception, match=r"evil|link"):  # by MONAI: unsafe
        download_bundle("liver", str(file))
    assert {path for path in tmp_path.rglob("*") if cache not in path.parents} - before <= {cache}
    assert not list(cache.iterdir())


def test_zip_that_is_not_there_is_told(cache, tmp_path):
    with pytest.raises(ValueError, match=r"none\.zip does not exist; give the URL or the path of a zip"):
        download_bundle("liver", str(tmp_path / "none.zip"))


def test_changed_missing_and_added_files_are_told(bundle, cache):
    check_manifest(bundle)
    (bundle / "LICENSE").write_text("not free")
    with pytest.raises(ValueError, match="LICENSE of liver was changed; get the bundle again"):
        download_bundle("liver", str(packed(bundle)))
    (bundle / "LICENSE").unlink()
    with pytest.raises(ValueError, match="LICENSE of liver is missing"):
        check_manifest(bundle)
    write_manifest(bundle)
    (bundle / "more").write_text("")
    with pytest.raises(ValueError, match="more of liver is not in its manifest"):
        check_manifest(bundle)
    (bundle / "manifest.json").write_text("[" * 2_000_000)
    with pytest.raises(ValueError, match=r"manifest\.json of liver is damaged"):
        check_manifest(bundle)
    (bundle / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"manifest\.json of liver is damaged"):
        check_manifest(bundle)


def test_present_bundle_and_bad_name_are_refused(bundle, cache):
    (cache / "liver").mkdir(parents=True)
    for name, told in (("liver", "liver exists; remove it first"), ("a/b", "name: must be a plain name, got 'a/b'")):
        with pytest.raises(ValueError, match=told):
            download_bundle(name, str(packed(bundle)))
    with pytest.raises(ValueError, match="sha256: is of a zip"):
        download_bundle("other", "hf://owner/liver", "00")


def test_hub_is_asked_by_monais_own_download(bundle, cache, monkeypatch):
    import shutil

    import huggingface_hub

    asked = {}

    def fetch(repo_id, revision, local_dir):
        asked.update(repo_id=repo_id, revision=revision)
        shutil.copytree(bundle, local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert download_bundle("liver", "hf://owner/liver") == cache / "liver"
    assert asked == {"repo_id": "owner/liver", "revision": "main"}
