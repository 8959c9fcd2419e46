import subprocess
import sys

import pytest

from llmsegnet_bundle.sharing import find_bundle, finding


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """An empty working directory, checkout and package, and a cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "PACKAGE", tmp_path / "site/llmsegnet_bundle")
    monkeypatch.setattr(finding, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def make(folder, weights=False):
    (folder / "configs").mkdir(parents=True)
    (folder / "configs/metadata.json").write_text("{}")
    if weights:
        (folder / "models").mkdir()
        (folder / "models/model.pt").write_bytes(b"")
    return folder


@pytest.mark.parametrize("place", ["bundles", "site/bundles", "cache", "site/llmsegnet_bundle/shipped"])
def test_bundle_is_found_by_name_in_each_place(place, cached, tmp_path):
    make(tmp_path / place / "liver")
    assert find_bundle("liver").resolve() == (tmp_path / place / "liver").resolve()


def test_bundle_is_found_by_its_folder(cached, tmp_path):
    assert find_bundle(make(tmp_path / "some/where")) == tmp_path / "some/where"


def test_bundle_with_weights_comes_before_one_without(cached, tmp_path):
    make(tmp_path / "bundles/liver")
    make(cached / "liver", weights=True)
    assert find_bundle("liver") == cached / "liver"


def test_unknown_bundle_is_told_with_how_to_fetch_it(cached):
    with pytest.raises(ValueError, match=r"bundle: no liver in bundles, .*-bundle download liver --source URL"):
        find_bundle("liver")
    with pytest.raises(ValueError, match=r"bundle: some/liver has no configs/metadata.json"):
        find_bundle("some/liver")


def test_importing_the_package_imports_nothing_large():
    code = "import sys, llmsegnet_bundle; print([n for n in ('torch', 'monai', 'numpy') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_package_has_nothing_else():
    import llmsegnet_bundle

    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        llmsegnet_bundle.other  # noqa: B018
