import ast

import pytest
from bundle_runs import BUNDLE

from llmsegnet_bundle.annotation import torchvision
from llmsegnet_bundle.annotation.making import make_app


def test_app_has_the_bundles_and_what_they_learned_stays(tmp_path):
    app = tmp_path / "app"
    assert make_app(app, [str(BUNDLE)]) == ["left_atrium"]
    place = app / "model/left_atrium"
    assert (place / "models/model.pt").read_bytes() == (BUNDLE / "models/model.pt").read_bytes()
    assert not any((place / name).exists() for name in ("cache", "checkpoints", "eval"))
    (place / "models/model.pt").write_bytes(b"learned")
    assert make_app(app, [str(BUNDLE), str(BUNDLE.with_name("brats19"))]) == ["brats19", "left_atrium"]
    assert (place / "models/model.pt").read_bytes() == b"learned"
    names = [
        node.names[0].name
        for node in ast.walk(ast.parse((app / "main.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    assert names == ["stand_in", "LabelApp"]


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match="is there and is no MONAI Label app; give a new folder"):
        make_app(tmp_path, [str(BUNDLE)])
    with pytest.raises(ValueError, match="annotate: give a bundle, by name or folder"):
        make_app(tmp_path / "new", [])


def test_torchvision_that_cannot_be_imported_is_stood_in_for(monkeypatch):
    def fail(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    modules = {}
    monkeypatch.setattr(torchvision.importlib, "import_module", fail)
    monkeypatch.setattr(torchvision.sys, "modules", modules)
    torchvision.stand_in()
    assert set(modules) == {"torchvision", "torchvision.utils"}
    with pytest.raises(ImportError, match="torchvision is needed for this; install the build that fits torch"):
        modules["torchvision.utils"].make_grid()


def test_torchvision_that_is_there_stays(monkeypatch):
    monkeypatch.setattr(torchvision.importlib, "import_module", lambda name: None)
    monkeypatch.setattr(torchvision.sys, "modules", {})
    torchvision.stand_in()
    assert not torchvision.sys.modules
